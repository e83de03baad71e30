// Package migrations creates and upgrades the two schemas that the product
// stands on, and tells whether a database is fit for this binary.
//
// Schema telephony belongs to the platform: organizations, API tokens,
// bridges, provider configurations and phone numbers. The migrations create
// its tables only where nothing of that name exists, so a platform can put
// views over its own tables there before the first migration. The worker only
// reads it.
//
// Schema connect_provider belongs to the worker: connections, lanes, workers,
// inbox, outbox and dead letters. Its constraints make the states that the
// code must never produce impossible, so that a defect shows as a refused
// statement and not as wrong data.
//
// Migrations run forward only, under an advisory lock, one file each, through
// goose. The version a binary needs is that of the newest file it was built
// with. An older database is refused with the command that mends it; a newer
// one is used as long as connect_provider.schema_compatibility says that
// binaries of this version still may: additive migrations leave that row
// alone, breaking ones raise it.
package migrations
