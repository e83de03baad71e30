// Package demo is the data of the demo organization and of a fleet of made-up
// ones, and the commands that fit them. `connectctl demo`, `connectctl dev` and
// `connectctl demo-data` load it; nothing of it is needed in production.
//
// Load (load.go, organizations.sql) makes the organization acme, for which the
// examples of the documentation work as printed, with what each failure code
// needs, and two more organizations. LoadFleet (fleet.go, fleet.sql) makes any
// number of organizations with numbers for bulk traffic.
//
// The numbers of acme and its neighbours begin with +12345678, those of the
// fleet with +999, a country code that nobody has.
package demo
