-- What the shop is asked in an hour.
-- calls: 4000
SELECT album_id, title, released FROM album WHERE artist_id = 3983 ORDER BY released DESC;
-- calls: 6000
SELECT track_id, name, milliseconds, unit_cents FROM track WHERE album_id = 4242 ORDER BY track_id;
-- calls: 9000
SELECT name, composer, unit_cents FROM track WHERE track_id = 31000;
-- calls: 3000
SELECT customer_id, first_name, last_name FROM customer WHERE email = 'felix.hansen.1204@example.com';
-- calls: 2500
SELECT invoice_id, invoice_date, status, total_cents FROM invoice
WHERE customer_id = 17418 ORDER BY invoice_date DESC LIMIT 10;
-- calls: 2500
SELECT t.name, l.quantity, l.unit_cents FROM invoice_line l JOIN track t ON t.track_id = l.track_id
WHERE l.invoice_id = 50505;
-- calls: 500
SELECT sum(total_cents) FROM invoice WHERE customer_id = 4923 AND status = 'paid';
-- calls: 200
SELECT invoice_id, customer_id, total_cents FROM invoice WHERE status = 'open' ORDER BY invoice_date LIMIT 50;
-- calls: 12
SELECT billing_country, sum(total_cents) AS revenue FROM invoice
WHERE invoice_date >= '2025-11-01' AND invoice_date < '2025-12-01' GROUP BY billing_country ORDER BY revenue DESC;
-- calls: 6
SELECT l.track_id, sum(l.quantity) AS sold FROM invoice i JOIN invoice_line l ON l.invoice_id = i.invoice_id
WHERE i.invoice_date >= '2025-12-20' GROUP BY l.track_id ORDER BY sold DESC, l.track_id LIMIT 20;
-- calls: 1500
SELECT p.position, t.name, t.milliseconds FROM playlist_track p JOIN track t ON t.track_id = p.track_id
WHERE p.playlist_id = 321 ORDER BY p.position;
-- calls: 300
SELECT p.playlist_id, p.name FROM playlist_track e JOIN playlist p ON p.playlist_id = e.playlist_id
WHERE e.track_id = 5453 AND p.shared ORDER BY p.name LIMIT 20;
-- calls: 800
SELECT playlist_id, name FROM playlist WHERE owner_id = 17418 ORDER BY name;
-- calls: 2500
SELECT customer_id, stars, body, written_at FROM review WHERE track_id = 7943 ORDER BY written_at DESC LIMIT 5;
-- calls: 2500
SELECT count(*), avg(stars) FROM review WHERE track_id = 153;
-- calls: 150
SELECT track_id, stars, written_at FROM review WHERE customer_id = 12494 ORDER BY written_at DESC;
-- calls: 700
SELECT artist_id FROM artist WHERE name = 'The Little Winter 77';
-- calls: 300
SELECT track_id, name FROM track WHERE name LIKE 'Silent Harbour 12%' ORDER BY name LIMIT 10;
-- calls: 300
SELECT track_id, name, unit_cents FROM track WHERE genre_id = 23 ORDER BY name LIMIT 20;
-- calls: 20
SELECT customer_id, first_name, last_name FROM customer WHERE support_rep_id = 7 AND country = 'Norway';
-- calls: 60
SELECT customer_id, email FROM customer WHERE country = 'Portugal' AND city = 'City 183';
-- calls: 100
SELECT customer_id, first_name, last_name, created_at FROM customer ORDER BY created_at DESC LIMIT 20;
-- calls: 200
SELECT customer_id, first_name, email FROM customer WHERE lower(last_name) = 'hansen-1204';
-- calls: 60
SELECT t.track_id, sum(l.quantity) AS sold FROM album a JOIN track t ON t.album_id = a.album_id
JOIN invoice_line l ON l.track_id = t.track_id WHERE a.artist_id = 3255 GROUP BY t.track_id;
-- calls: 2
SELECT count(*) FROM customer c WHERE c.closed_at IS NULL AND NOT EXISTS (
    SELECT 1 FROM invoice i WHERE i.customer_id = c.customer_id AND i.invoice_date >= '2025-01-01');
-- calls: 20
SELECT count(*) FROM track WHERE milliseconds > 600000;
-- calls: 1000
SELECT genre_id, name FROM genre ORDER BY name;
-- calls: 5
SELECT customer_id, closed_at FROM customer WHERE closed_at IS NOT NULL AND closed_at < '2024-02-01';
-- calls: 1000
INSERT INTO invoice (invoice_id, customer_id, invoice_date, billing_country, status, total_cents)
VALUES (90000001, 17418, '2026-01-01 09:00:00', 'Norway', 'open', 297);
-- calls: 3000
INSERT INTO invoice_line (invoice_line_id, invoice_id, track_id, unit_cents, quantity)
VALUES (90000001, 50505, 7943, 99, 1);
-- calls: 100
INSERT INTO review (review_id, track_id, customer_id, stars, body, written_at)
VALUES (90000001, 7943, 17418, 4, 'worth it', '2026-01-01 09:00:00');
-- calls: 950
UPDATE invoice SET status = 'paid' WHERE invoice_id = 77077;
-- calls: 300
UPDATE track SET unit_cents = 129 WHERE track_id = 31000;
-- calls: 40
DELETE FROM playlist_track WHERE playlist_id = 321 AND position = 2;
