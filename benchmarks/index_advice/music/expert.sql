-- The designer's indexes: each foreign key that is followed from its other side, with the order that pages want, and
-- what people search by.
CREATE INDEX album_by_artist ON album (artist_id, released);
CREATE INDEX track_by_album ON track (album_id);
CREATE INDEX track_by_genre ON track (genre_id, name);
CREATE INDEX track_by_name ON track (name);
CREATE INDEX artist_by_name ON artist (name);
CREATE INDEX customer_by_email ON customer (email);
CREATE INDEX customer_by_place ON customer (country, city);
CREATE INDEX customer_by_name ON customer (lower(last_name));
CREATE INDEX customer_by_support_rep ON customer (support_rep_id);
CREATE INDEX customer_by_age ON customer (created_at);
CREATE INDEX invoice_by_customer ON invoice (customer_id, invoice_date);
CREATE INDEX invoice_by_date ON invoice (invoice_date);
CREATE INDEX invoice_open ON invoice (invoice_date) WHERE status = 'open';
CREATE INDEX invoice_line_by_invoice ON invoice_line (invoice_id);
CREATE INDEX invoice_line_by_track ON invoice_line (track_id);
CREATE INDEX playlist_by_owner ON playlist (owner_id);
CREATE INDEX playlist_track_by_track ON playlist_track (track_id);
CREATE INDEX review_by_track ON review (track_id, written_at);
CREATE INDEX review_by_customer ON review (customer_id);
