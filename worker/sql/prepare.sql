-- Settings of this transaction only, so that they pass through a pooler: arrays
-- have no statistics, and plans made from them hashed whole tables; a client
-- that stops in the middle must not hold its locks for longer than $1 (ms).
select set_config('plan_cache_mode', 'force_generic_plan', true),
       set_config('enable_seqscan', 'off', true),
       set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true),
       set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on' else current_setting('synchronous_commit') end, true),
       set_config('idle_in_transaction_session_timeout', $1::text, true)
