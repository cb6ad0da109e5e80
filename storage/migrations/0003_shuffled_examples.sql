-- 0: options in the order of the source; 1, 2, …: a copy with its options in another order.
alter table examples add column shuffle integer default 0;
