package workload

import (
	"context"
	"fmt"
)

// removals are the statements of Remove, in an order that foreign keys allow. $1
// are the handles, which are also the organizations' tokens.
var removals = []string{
	"delete from connect_provider.inbox where org_token = any ($1::text[])",
	"delete from connect_provider.connections where domain_handle = any ($1::text[])",
	"delete from connect_provider.dead_letters where org_token = any ($1::text[])",
	"delete from connect_provider.job_outcomes where org_token = any ($1::text[])",
	"delete from connect_provider.pauses where org_token = any ($1::text[])",
	"delete from telephony.phone_numbers where domain_handle = any ($1::text[])",
	"delete from telephony.provider_configurations where domain_handle = any ($1::text[])",
	"delete from telephony.bridges where domain_handle = any ($1::text[])",
	"delete from telephony.api_tokens where domain_handle = any ($1::text[])",
	"delete from telephony.organizations where domain_handle = any ($1::text[])",
}

// Remove deletes the platform's rows of the workload and what a service has made
// of its commands, all of which must be decided and their events published: what
// is decided later fails, and leaves its inbox row. A statement is a transaction
// of its own, and a later call deletes what an error has left. It takes the rights
// of the tables' owners.
func (w Workload) Remove(ctx context.Context, db Database) error {
	if err := w.Validate(); err != nil {
		return err
	}
	handles := w.handles()
	for _, sql := range removals {
		if _, err := db.Exec(ctx, sql, handles); err != nil {
			return fmt.Errorf("remove the workload: %w", err)
		}
	}
	return nil
}
