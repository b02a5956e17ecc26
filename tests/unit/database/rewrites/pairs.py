"""Pairs of statements on one small schema: rewrites that keep the answer, and rewrites that look as if they did.

Written for SQLite and PostgreSQL alike; a pair that means something in one of them only says so.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["OPTIMISED", "RIGHT", "SCHEMA", "WRONG", "Pair"]

SCHEMA = """
CREATE TABLE customers (
    id integer PRIMARY KEY,
    email varchar(40) NOT NULL UNIQUE,
    city varchar(20),
    credit integer NOT NULL DEFAULT 0,
    joined timestamp NOT NULL,
    referrer_id integer REFERENCES customers (id)
);
CREATE TABLE orders (
    id integer PRIMARY KEY,
    customer_id integer REFERENCES customers (id),
    status varchar(10) NOT NULL CHECK (status IN ('new', 'paid', 'sent')),
    total integer NOT NULL CHECK (total >= 0),
    discount integer,
    placed timestamp NOT NULL
);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE TABLE lines (
    order_id integer NOT NULL REFERENCES orders (id),
    number integer NOT NULL,
    product varchar(20),
    quantity integer NOT NULL,
    PRIMARY KEY (order_id, number)
);
"""


class Pair(NamedTuple):
    """A statement and its rewrite."""

    name: str
    original: str
    rewrite: str
    only: str | None = None


RIGHT = (
    Pair(
        "in to exists",
        "SELECT id, email FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total > 100)",
        "SELECT c.id, c.email FROM customers c WHERE EXISTS "
        "(SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.total > 100)",
    ),
    Pair(
        "in to distinct join with a key",
        "SELECT id, email FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total > 100)",
        "SELECT DISTINCT c.id, c.email FROM customers c JOIN orders o ON o.customer_id = c.id WHERE o.total > 100",
    ),
    Pair(
        "not in without nulls",
        "SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders WHERE customer_id IS NOT NULL)",
        "SELECT c.id FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
    ),
    Pair(
        "not in of a column that is never null",
        "SELECT id FROM orders WHERE id NOT IN (SELECT order_id FROM lines)",
        "SELECT o.id FROM orders o LEFT JOIN lines l ON l.order_id = o.id WHERE l.order_id IS NULL",
    ),
    Pair(
        "left join with a condition on its right is an inner join",
        "SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE o.total > 10",
        "SELECT c.id, o.id FROM customers c JOIN orders o ON o.customer_id = c.id WHERE o.total > 10",
    ),
    Pair(
        "union of disjoint parts is union all where a key is selected",
        "SELECT id FROM orders WHERE status = 'new' UNION SELECT id FROM orders WHERE status = 'paid'",
        "SELECT id FROM orders WHERE status = 'new' UNION ALL SELECT id FROM orders WHERE status = 'paid'",
    ),
    Pair(
        "or to union with a key",
        "SELECT id, status FROM orders WHERE status = 'new' OR customer_id = 3",
        "SELECT id, status FROM orders WHERE status = 'new' UNION SELECT id, status FROM orders WHERE customer_id = 3",
    ),
    Pair(
        "or to union all with the rest",
        "SELECT status FROM orders WHERE status = 'new' OR customer_id = 3",
        "SELECT status FROM orders WHERE status = 'new' "
        "UNION ALL SELECT status FROM orders WHERE customer_id = 3 AND (status = 'new') IS NOT TRUE",
    ),
    Pair(
        "count of everything is count of what is never null",
        "SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id",
        "SELECT customer_id, count(total) AS n FROM orders GROUP BY customer_id",
    ),
    Pair(
        "count for existence",
        "SELECT id FROM customers c WHERE (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) > 0",
        "SELECT id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
    ),
    Pair(
        "correlated count to a join with a group",
        "SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS n FROM customers c",
        "SELECT c.id, COALESCE(g.n, 0) AS n FROM customers c LEFT JOIN "
        "(SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id) g ON g.customer_id = c.id",
    ),
    Pair(
        "correlated max to a join with a group",
        "SELECT c.id, (SELECT max(o.total) FROM orders o WHERE o.customer_id = c.id) AS most FROM customers c",
        "SELECT c.id, g.most AS most FROM customers c LEFT JOIN "
        "(SELECT customer_id, max(total) AS most FROM orders GROUP BY customer_id) g ON g.customer_id = c.id",
    ),
    Pair(
        "keyset by the primary key",
        "SELECT id, email FROM customers ORDER BY id LIMIT 20 OFFSET 100",
        "SELECT id, email FROM customers WHERE id > (SELECT id FROM customers ORDER BY id LIMIT 1 OFFSET 100 - 1) "
        "ORDER BY id LIMIT 20",
    ),
    Pair(
        "keyset by time with the key as tie-breaker",
        "SELECT id, placed FROM orders ORDER BY placed, id LIMIT 20 OFFSET 100",
        "SELECT id, placed FROM orders WHERE (placed, id) > "
        "(SELECT placed, id FROM orders ORDER BY placed, id LIMIT 1 OFFSET 100 - 1) ORDER BY placed, id LIMIT 20",
    ),
    Pair(
        "coalesce with another constant",
        "SELECT id FROM orders WHERE COALESCE(discount, 0) = 5",
        "SELECT id FROM orders WHERE discount = 5",
    ),
    Pair(
        "coalesce with the same constant",
        "SELECT id FROM orders WHERE COALESCE(discount, 0) = 0",
        "SELECT id FROM orders WHERE discount = 0 OR discount IS NULL",
    ),
    Pair(
        "a day as a half-open range",
        "SELECT id FROM orders WHERE date(placed) = '2024-03-10'",
        "SELECT id FROM orders WHERE placed >= '2024-03-10' AND placed < '2024-03-11'",
    ),
    Pair(
        "having on a group key is where",
        "SELECT status, count(*) AS n FROM orders GROUP BY status HAVING status = 'paid'",
        "SELECT status, count(*) AS n FROM orders WHERE status = 'paid' GROUP BY status",
    ),
    Pair(
        "distinct on a key is none",
        "SELECT DISTINCT id, city FROM customers",
        "SELECT id, city FROM customers",
    ),
    Pair(
        "between is two comparisons",
        "SELECT id FROM orders WHERE total BETWEEN 10 AND 20",
        "SELECT id FROM orders WHERE total >= 10 AND total <= 20",
    ),
    Pair(
        "de morgan",
        "SELECT id FROM orders WHERE NOT (status = 'new' OR discount > 5)",
        "SELECT id FROM orders WHERE status <> 'new' AND discount <= 5",
    ),
    Pair(
        "a join to one whose columns are not used",
        "SELECT l.order_id, l.quantity FROM lines l JOIN orders o ON o.id = l.order_id",
        "SELECT order_id, quantity FROM lines",
    ),
    Pair(
        "parameters",
        "SELECT id FROM orders WHERE status = ? AND total > ?",
        "SELECT id FROM orders WHERE NOT (total <= {2} OR status <> {1})",
    ),
    Pair(
        "is not distinct from",
        "SELECT id FROM customers WHERE city IS NOT DISTINCT FROM 'Rome'",
        "SELECT id FROM customers WHERE city = 'Rome'",
        "postgresql",
    ),
    Pair(
        "the end of a text, reversed",
        "SELECT id FROM customers WHERE email LIKE '%@gmail.com'",
        "SELECT id FROM customers WHERE reverse(email) LIKE 'moc.liamg@%'",
        "postgresql",
    ),
)

WRONG = (
    Pair(
        "the guide's pattern",
        "SELECT * FROM customers WHERE email LIKE '%@gmail.com'",
        "SELECT * FROM customers WHERE email LIKE 'user%@gmail.com'",
    ),
    Pair(
        "in to distinct join without a key",
        "SELECT city FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total > 1000)",
        "SELECT DISTINCT c.city FROM customers c JOIN orders o ON o.customer_id = c.id WHERE o.total > 1000",
    ),
    Pair(
        "in to a join without distinct",
        "SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders)",
        "SELECT c.id FROM customers c JOIN orders o ON o.customer_id = c.id",
    ),
    Pair(
        "not in with nulls to not exists",
        "SELECT id FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)",
        "SELECT c.id FROM customers c WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
    ),
    Pair(
        "not in with a null on the left",
        "SELECT id FROM customers WHERE referrer_id NOT IN (SELECT order_id FROM lines)",
        "SELECT c.id FROM customers c WHERE NOT EXISTS (SELECT 1 FROM lines l WHERE l.order_id = c.referrer_id)",
    ),
    Pair(
        "left join to inner",
        "SELECT c.id, o.total FROM customers c LEFT JOIN orders o ON o.customer_id = c.id",
        "SELECT c.id, o.total FROM customers c JOIN orders o ON o.customer_id = c.id",
    ),
    Pair(
        "an outer join's condition moved to where",
        "SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.status = 'paid'",
        "SELECT c.id, o.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE o.status = 'paid'",
    ),
    Pair(
        "union to union all",
        "SELECT city FROM customers WHERE credit > 5 UNION SELECT city FROM customers WHERE city = 'Rome'",
        "SELECT city FROM customers WHERE credit > 5 UNION ALL SELECT city FROM customers WHERE city = 'Rome'",
    ),
    Pair(
        "or to union without a key",
        "SELECT status FROM orders WHERE total > 50 OR discount = 3",
        "SELECT status FROM orders WHERE total > 50 UNION SELECT status FROM orders WHERE discount = 3",
    ),
    Pair(
        "or to union all without the rest",
        "SELECT id FROM orders WHERE total > 50 OR discount = 3",
        "SELECT id FROM orders WHERE total > 50 UNION ALL SELECT id FROM orders WHERE discount = 3",
    ),
    Pair(
        "or to union all with a rest that forgets null",
        "SELECT id FROM orders WHERE discount = 3 OR total > 50",
        "SELECT id FROM orders WHERE discount = 3 "
        "UNION ALL SELECT id FROM orders WHERE total > 50 AND NOT discount = 3",
    ),
    Pair(
        "count of everything is not count of a column",
        "SELECT count(*) AS n FROM orders",
        "SELECT count(discount) AS n FROM orders",
    ),
    Pair(
        "correlated count to an inner join",
        "SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS n FROM customers c",
        "SELECT c.id, count(*) AS n FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.id",
    ),
    Pair(
        "correlated count to a left join that counts its null",
        "SELECT c.id, (SELECT count(*) FROM orders o WHERE o.customer_id = c.id) AS n FROM customers c",
        "SELECT c.id, count(*) AS n FROM customers c LEFT JOIN orders o ON o.customer_id = c.id GROUP BY c.id",
    ),
    Pair(
        "keyset that includes the last row",
        "SELECT id FROM customers ORDER BY id LIMIT 20 OFFSET 100",
        "SELECT id FROM customers WHERE id >= (SELECT id FROM customers ORDER BY id LIMIT 1 OFFSET 100 - 1) "
        "ORDER BY id LIMIT 20",
    ),
    Pair(
        "keyset without the tie-breaker",
        "SELECT id, placed FROM orders ORDER BY placed, id LIMIT 20 OFFSET 100",
        "SELECT id, placed FROM orders WHERE placed > "
        "(SELECT placed FROM orders ORDER BY placed, id LIMIT 1 OFFSET 100 - 1) ORDER BY placed, id LIMIT 20",
    ),
    Pair(
        "coalesce left out",
        "SELECT id FROM orders WHERE COALESCE(discount, 0) = 0",
        "SELECT id FROM orders WHERE discount = 0",
    ),
    Pair(
        "a day by between",
        "SELECT id FROM orders WHERE date(placed) = '2024-03-10'",
        "SELECT id FROM orders WHERE placed BETWEEN '2024-03-10' AND '2024-03-11'",
        "postgresql",
    ),
    Pair(
        "a day by its last second",
        "SELECT id FROM orders WHERE date(placed) = '2024-03-10'",
        "SELECT id FROM orders WHERE placed >= '2024-03-10' AND placed <= '2024-03-10 23:59:59'",
    ),
    Pair(
        "negation that forgets null",
        "SELECT id FROM orders WHERE (discount = 5) IS NOT TRUE",
        "SELECT id FROM orders WHERE discount <> 5",
    ),
    Pair(
        "like in another case",
        "SELECT id FROM customers WHERE email LIKE 'User%'",
        "SELECT id FROM customers WHERE email LIKE 'user%'",
        "postgresql",
    ),
    Pair(
        "prefix by like where like ignores case",
        "SELECT id FROM customers WHERE substr(email, 1, 4) = 'user'",
        "SELECT id FROM customers WHERE email LIKE 'user%'",
        "sqlite",
    ),
    Pair(
        "trimmed on one side",
        "SELECT id FROM customers WHERE trim(city) = 'Rome'",
        "SELECT id FROM customers WHERE city = 'Rome'",
    ),
    Pair(
        "an order left out",
        "SELECT id, total FROM orders ORDER BY total DESC, id",
        "SELECT id, total FROM orders",
    ),
    Pair(
        "another direction for ties",
        "SELECT id, total FROM orders ORDER BY total DESC, id",
        "SELECT id, total FROM orders ORDER BY total DESC, id DESC",
    ),
    Pair(
        "having that counts other rows",
        "SELECT customer_id FROM orders GROUP BY customer_id HAVING count(*) > 1",
        "SELECT customer_id FROM orders GROUP BY customer_id HAVING count(discount) > 1",
    ),
    Pair(
        "a comparison off by one",
        "SELECT id FROM orders WHERE total > 100",
        "SELECT id FROM orders WHERE total >= 100",
    ),
    Pair(
        "another name for a column",
        "SELECT id, total AS amount FROM orders",
        "SELECT id, total FROM orders",
    ),
    Pair(
        "a parameter taken for another",
        "SELECT id FROM orders WHERE total > ? AND discount < ?",
        "SELECT id FROM orders WHERE total > {2} AND discount < {1}",
    ),
)

WRONG += (
    Pair(
        "a filtered count as a sum, which nothing sums to null",
        "SELECT count(*) FILTER (WHERE total > 5) AS n FROM orders",
        "SELECT sum(CASE WHEN total > 5 THEN 1 ELSE 0 END) AS n FROM orders",
    ),
    Pair(
        "a square has two roots",
        "SELECT id FROM orders WHERE discount * discount = 4",
        "SELECT id FROM orders WHERE discount = 2",
    ),
    Pair(
        "a negative number divides towards zero",
        "SELECT id FROM orders WHERE discount / 2 = -1",
        "SELECT id FROM orders WHERE discount = -2",
    ),
    Pair(
        "two texts that make up one",
        "SELECT id FROM customers WHERE city || email = 'ab'",
        "SELECT id FROM customers WHERE city = 'a' AND email = 'b'",
    ),
    Pair(
        "a subquery of several rows to a join",
        "SELECT c.id, (SELECT o.total FROM orders o WHERE o.customer_id = c.id) AS t FROM customers c",
        "SELECT c.id, o.total AS t FROM customers c LEFT JOIN orders o ON o.customer_id = c.id",
    ),
    Pair(
        "a condition after a window taken for one before it",
        "SELECT id FROM (SELECT id, status, rank() OVER (PARTITION BY customer_id ORDER BY total) AS r FROM orders) x "
        "WHERE r = 1 AND status = 'paid'",
        "SELECT id FROM (SELECT id, rank() OVER (PARTITION BY customer_id ORDER BY total) AS r FROM orders "
        "WHERE status = 'paid') x WHERE r = 1",
    ),
    Pair(
        "an outer join's place",
        "SELECT c.id, l.number FROM customers c LEFT JOIN orders o ON o.customer_id = c.id "
        "JOIN lines l ON l.order_id = o.id",
        "SELECT c.id, l.number FROM customers c LEFT JOIN (SELECT o.customer_id, l.number FROM orders o "
        "JOIN lines l ON l.order_id = o.id) l ON l.customer_id = c.id",
    ),
    Pair(
        "null twice in an intersection",
        "SELECT discount FROM orders INTERSECT SELECT referrer_id FROM customers",
        "SELECT DISTINCT o.discount FROM orders o JOIN customers c ON c.referrer_id = o.discount",
    ),
    Pair(
        "letters that have no other case",
        "SELECT id FROM customers WHERE upper(city COLLATE \"C.utf8\") = 'SKI'",
        "SELECT id FROM customers WHERE lower(city COLLATE \"C.utf8\") = 'ski'",
        "postgresql",
    ),
)

# What sqlglot's optimiser once made of statements (its issues 7671, 8236 and 7067), on this schema.
OPTIMISED = (
    Pair(
        "not in to an anti-join that forgets NULL (7671)",
        "SELECT c.id FROM customers c WHERE c.id NOT IN (SELECT o.customer_id FROM orders o)",
        "SELECT c.id FROM customers c LEFT JOIN (SELECT o.customer_id AS customer_id FROM orders o "
        "GROUP BY o.customer_id) u ON c.id = u.customer_id WHERE u.customer_id IS NULL",
    ),
    Pair(
        "correlated not in to a join that finds no partner (8236)",
        "SELECT o.id FROM orders o WHERE o.id NOT IN (SELECT l.order_id FROM lines l WHERE l.order_id = o.id)",
        "SELECT o.id FROM orders o LEFT JOIN (SELECT l.order_id AS order_id FROM lines l GROUP BY l.order_id) u "
        "ON u.order_id = o.id WHERE o.id <> u.order_id",
    ),
    Pair(
        "a subquery in CASE to a join that drops rows (7067)",
        "SELECT o.id FROM orders o WHERE o.total > CASE WHEN o.status = 'new' "
        "THEN (SELECT max(l.quantity) FROM lines l WHERE l.order_id = o.id) ELSE 3 END",
        "SELECT o.id FROM orders o JOIN (SELECT max(l.quantity) AS most, l.order_id FROM lines l "
        "GROUP BY l.order_id) u ON u.order_id = o.id WHERE o.total > CASE WHEN o.status = 'new' THEN u.most ELSE 3 END",
    ),
)
