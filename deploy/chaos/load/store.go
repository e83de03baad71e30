package load

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Create writes the organizations with their bridges and configurations to a
// migrated database, and the constraint that makes some numbers unwritable.
func (p *Platform) Create(ctx context.Context, conn *pgx.Conn) error {
	var q pgx.Batch
	q.Queue(addConstraint)
	for _, handle := range p.Handles {
		o := p.Organizations[handle]
		q.Queue(`insert into telephony.organizations values ($1, $2)`, handle, o.OneProviderPerBridge)
		q.Queue(`insert into telephony.bridges select $1, slug from unnest($2::text[]) as slug`, handle, o.slugs)
		q.Queue(`insert into telephony.api_tokens (token_sha256, domain_handle) values (sha256(convert_to($1, 'UTF8')), $2)`, APIToken(handle), handle)
		for id, c := range o.Configurations {
			q.Queue(`insert into telephony.provider_configurations values ($1, $2, $3, $4)`, handle, id, c.Provider, c.Active)
		}
	}
	if err := conn.SendBatch(ctx, &q).Close(); err != nil {
		return fmt.Errorf("create the platform: %w", err)
	}
	return nil
}

// APIToken is the token by which callers of a gateway act for an organization.
func APIToken(handle string) string { return "token-of-" + handle }

// Store writes what [Platform.Grow] has changed.
func Store(ctx context.Context, conn *pgx.Conn, changes []Change) error {
	phones, handles := make([]string, len(changes)), make([]string, len(changes))
	configurations, active := make([]int64, len(changes)), make([]bool, len(changes))
	// of a number that changed twice the last word counts
	place := map[string]int{}
	n := 0
	for _, c := range changes {
		i, again := place[c.Phone]
		if !again {
			i, n = n, n+1
			place[c.Phone] = i
		}
		phones[i], handles[i], configurations[i], active[i] = c.Phone, c.Handle, c.Configuration, c.Active
	}
	_, err := conn.Exec(ctx, `insert into telephony.phone_numbers
		select * from unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[])
		on conflict (phone_number) do update set domain_handle = excluded.domain_handle,
			provider_config_id = excluded.provider_config_id, active = excluded.active`,
		phones[:n], handles[:n], configurations[:n], active[:n])
	if err != nil {
		return fmt.Errorf("store numbers: %w", err)
	}
	return nil
}
