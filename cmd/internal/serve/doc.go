// Package serve is what a process of the service consists of beside its
// settings, so that others can run the very same.
//
// Worker (worker.go) is a worker with its connections and its listener:
// `connect-provider worker` is one, and `connectctl bench` starts some to measure
// them. Health (health.go) is the listener for /livez, /readyz and /metrics,
// which gateways have too.
package serve
