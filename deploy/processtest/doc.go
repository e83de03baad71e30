// Package processtest holds the tests that need the service as real processes:
// built once, started as an operator would, killed with kill -9. It has no code
// of its own.
//
//   - kill_test.go: commands of both classes and many organizations go through
//     two workers while a worker, NATS and Postgres are killed at random
//     moments. In the end every command has one outcome, every event is once in
//     the stream, order is kept, and the database holds what a plain sequential
//     model of the streams holds (model_test.go).
//   - gateway_test.go: requests with keys go through the REST gateway while it, a
//     worker and NATS are killed. Each gets an answer or a connection error, and
//     repeated with its key until it has its outcome, every number is connected
//     once and every event is once in the stream. CONNECT_TEST_REQUESTS says how
//     many requests.
//   - onboard_test.go: a file is predicted, then run by connectctl, which is killed
//     ten times at random moments, its state file lost or cut now and then, and a
//     worker, NATS and Postgres killed in between. In the end each row is reported
//     once, as the database has it and as it was predicted.
//   - bench_test.go: connectctl bench reports what it was asked to measure, and
//     leaves a system as it was, interrupted or killed too.
//   - memory_test.go: what one worker keeps resident at full load.
//   - trace_test.go: spans reach a collector at the latest when the worker
//     ends, and a command's trace context reaches its event past a kill.
//
// The first two print the seed of their randomness; CONNECT_TEST_SEED replays it.
package processtest
