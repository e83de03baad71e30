// Package load makes what goes through a system under attack: the platform's
// side of the database (platform.go), commands that get in each other's way
// (commands.go), and messages of producers that mean no good (hostile.go).
//
// All of it is drawn from one source of randomness, so a seed makes the same
// platform and the same commands again. Of each message it is known what the
// one who made it meant ([Intent]): a judge need not read the message as the
// worker does.
package load
