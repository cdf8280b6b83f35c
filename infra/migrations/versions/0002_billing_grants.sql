-- billing: what the application's role may do. Last, so that it covers all of the above.

REVOKE ALL ON
public.ledger_accounts, public.ledger_transactions, public.ledger_entries, public.holds,
public.usage_events, public.billing_idempotency
FROM public, picmend_app;

REVOKE ALL ON SEQUENCE
public.ledger_accounts_id_seq, public.ledger_transactions_id_seq
FROM public, picmend_app;

REVOKE ALL ON FUNCTION
public.ledger_write, public.ledger_move, public.ledger_next_transaction,
public.ledger_spend, public.billing_take_key, public.billing_open_accounts,
public.billing_top_up, public.billing_credit, public.billing_reverse,
public.billing_post_holds, public.billing_record_usage,
public.billing_is_append_only, public.ledger_transactions_are_whole,
public.ledger_entries_balance, public.holds_end_once
FROM public, picmend_app;

GRANT SELECT ON
public.ledger_accounts, public.ledger_transactions, public.ledger_entries, public.holds,
public.usage_events, public.billing_idempotency
TO picmend_app;

GRANT EXECUTE ON FUNCTION
public.billing_open_accounts, public.billing_top_up, public.billing_credit,
public.billing_reverse, public.billing_post_holds, public.billing_record_usage
TO picmend_app;
