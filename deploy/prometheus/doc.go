// Package prometheus holds the alerts for connect-provider (alerts.yml) and the
// tests that hold them, the Grafana dashboard and the runbook against the
// service's metrics and against each other. It has no code of its own, and is a
// module of its own, so that Prometheus' parser never gets into the product's
// dependencies.
//
//   - testdata/*_test.yml, run by promtool: when each alert fires and when not,
//     and what may happen without any.
//   - query_test.go: every query parses, and the metrics and labels that it
//     names are in the golden file of cmd/connect-provider.
//   - alerts_test.go, runbook_test.go, dashboard_test.go: every alert says what
//     it must, is tested, and has its place in deploy/RUNBOOK.md.
//
// What is read lies outside of this module, where Go's test cache does not look:
//
//	promtool test rules testdata/*_test.yml && go test -count=1 .
package prometheus
