// Command chaos attacks a running system and judges what is left:
//
//	go run ./deploy/chaos --seed 7 --duration 2m
//
// It builds the service, stands a whole system up on this machine (three
// workers, two REST gateways, NATS and Postgres as processes of their own, a line
// that can be harmed between each two), and plays one act after another: commands
// of many organizations, by producers and REST callers, and attacks meanwhile, all
// drawn from the seed.
// After each act everything has a minute to be decided and told; then the judge
// demands that connections, inbox, dead letters and events are exactly what the
// rules make of the command streams, and that nobody was told what is not true.
//
// # Where to read on
//
//   - package load: the platform and the commands, with what each is meant to be.
//   - package attack: the acts and what is done in them.
//   - package arena: the system, its lines, and what is noted from outside.
//   - package judge: what must be true in the end, and how that is known.
//   - package defect: defects to plant into the service, to judge the judge.
//
// # When something is found
//
// The run ends with exit code 3 after telling what is wrong, and of the first
// findings the shortest story there is: the command's way, what its lane's owners
// have logged, and what was done to them at the time (story.go). The same seed
// and options draw the same acts again. Whether the same happens then depends on
// the machine too; --acts and --attacks narrow a search down. --keep leaves the
// servers' directories and the workers' logs.
//
// # Judging the judge
//
//	go run ./deploy/chaos --defects all
//
// plants one defect after another into a build of the service, attacks it with
// seed after seed, and says what caught each, and how soon. One that is not
// caught makes the exit code 3.
package main
