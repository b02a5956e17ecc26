-- A shop for music, after Chinook's tables, for PostgreSQL and SQLite. Primary keys and what has to be unique; no more.
CREATE TABLE genre (genre_id integer PRIMARY KEY, name varchar(60) NOT NULL);
CREATE TABLE media_type (media_type_id integer PRIMARY KEY, name varchar(60) NOT NULL);
CREATE TABLE artist (artist_id integer PRIMARY KEY, name varchar(120) NOT NULL);
CREATE TABLE album (album_id integer PRIMARY KEY, title varchar(160) NOT NULL,
    artist_id integer NOT NULL REFERENCES artist, released date NOT NULL);
CREATE TABLE track (track_id integer PRIMARY KEY, name varchar(200) NOT NULL, album_id integer NOT NULL REFERENCES album,
    media_type_id integer NOT NULL REFERENCES media_type, genre_id integer NOT NULL REFERENCES genre,
    composer varchar(220), milliseconds integer NOT NULL, bytes integer NOT NULL, unit_cents integer NOT NULL);
CREATE TABLE employee (employee_id integer PRIMARY KEY, name varchar(60) NOT NULL);
CREATE TABLE customer (customer_id integer PRIMARY KEY, first_name varchar(40) NOT NULL, last_name varchar(40) NOT NULL,
    email varchar(80) NOT NULL, city varchar(40) NOT NULL, country varchar(40) NOT NULL,
    support_rep_id integer NOT NULL REFERENCES employee, created_at timestamp NOT NULL, closed_at timestamp);
CREATE TABLE invoice (invoice_id integer PRIMARY KEY, customer_id integer NOT NULL REFERENCES customer,
    invoice_date timestamp NOT NULL, billing_country varchar(40) NOT NULL, status varchar(10) NOT NULL,
    total_cents integer NOT NULL);
CREATE TABLE invoice_line (invoice_line_id integer PRIMARY KEY, invoice_id integer NOT NULL REFERENCES invoice,
    track_id integer NOT NULL REFERENCES track, unit_cents integer NOT NULL, quantity integer NOT NULL);
CREATE TABLE playlist (playlist_id integer PRIMARY KEY, name varchar(120) NOT NULL,
    owner_id integer NOT NULL REFERENCES customer, shared boolean NOT NULL);
CREATE TABLE playlist_track (playlist_id integer NOT NULL REFERENCES playlist, position integer NOT NULL,
    track_id integer NOT NULL REFERENCES track, PRIMARY KEY (playlist_id, position));
CREATE TABLE review (review_id integer PRIMARY KEY, track_id integer NOT NULL REFERENCES track,
    customer_id integer NOT NULL REFERENCES customer, stars integer NOT NULL, body varchar(400) NOT NULL,
    written_at timestamp NOT NULL);
