-- Functions of MySQL that DuckDB has no function of that name for. They are on the search path.
CREATE MACRO curdate() AS current_date;
CREATE MACRO curtime() AS current_localtime(), (fraction) AS current_localtime();
CREATE MACRO sysdate() AS current_localtimestamp(), (fraction) AS current_localtimestamp();
CREATE MACRO utc_date() AS current_date;
CREATE MACRO utc_time() AS current_localtime(), (fraction) AS current_localtime();
CREATE MACRO utc_timestamp() AS current_localtimestamp(), (fraction) AS current_localtimestamp();
CREATE MACRO database() AS current_database();
CREATE MACRO schema() AS current_database();
CREATE MACRO rand() AS random(), (seed) AS random();
CREATE MACRO truncate(x, digits) AS trunc(x, digits);
CREATE MACRO sha(s) AS sha1(s);
CREATE MACRO sha2(s, bits) AS CASE WHEN bits IN (0, 256) THEN sha256(s) END;

-- Text.
CREATE MACRO locate(part, s) AS instr(s, part), (part, s, first) AS CASE
    WHEN part IS NULL OR s IS NULL OR first IS NULL THEN NULL
    WHEN first < 1 OR instr(substr(s, first), part) = 0 THEN 0
    ELSE instr(substr(s, first), part) + first - 1 END;
CREATE MACRO mid(s, first) AS substr(s, first), (s, first, n) AS substr(s, first, n);
CREATE MACRO space(n) AS repeat(' ', n);
CREATE MACRO strcmp(a, b) AS CASE WHEN a < b THEN -1 WHEN a > b THEN 1 WHEN a = b THEN 0 END;
CREATE MACRO find_in_set(x, labels) AS CASE WHEN x IS NULL OR labels IS NULL THEN NULL WHEN labels = '' THEN 0
    ELSE coalesce(list_position(string_split(labels, ','), x::VARCHAR), 0) END;
CREATE MACRO substring_index(s, mark, n) AS CASE
    WHEN n = 0 OR mark = '' THEN left(s, 0)
    WHEN abs(n) >= len(string_split(s, mark)) THEN s
    WHEN n > 0 THEN left(s, (list_sum(list_transform(string_split(s, mark)[:n], lambda part: length(part))) + length(mark) * (n - 1))::BIGINT)
    ELSE right(s, (list_sum(list_transform(string_split(s, mark)[n:], lambda part: length(part))) + length(mark) * (-n - 1))::BIGINT) END;
CREATE MACRO insert(s, first, n, part) AS CASE WHEN first < 1 OR first > length(s) THEN s ELSE left(s, first - 1) || part || substr(s, first + n) END;

-- JSON.
CREATE MACRO json_unquote(j) AS CASE WHEN json_valid(j::VARCHAR) THEN json_extract_string(j::VARCHAR, '$') ELSE j::VARCHAR END;
CREATE MACRO json_length(j) AS CASE json_type(j) WHEN 'ARRAY' THEN json_array_length(j) WHEN 'OBJECT' THEN len(json_keys(j)) ELSE json_array_length(j) + 1 END;
-- DuckDB goes into a value as deep as it is, and past the end of its stack. These take the place of its own functions of the name (sandbox/faults.go).
CREATE MACRO shallow_json(j) AS CASE WHEN strlen(j::VARCHAR) - strlen(translate(j::VARCHAR, '[{', '')) <= 10000 THEN j ELSE error('a JSON value with more than 10000 arrays and objects is not taken here') END;
CREATE MACRO json_contains(j, part) AS system.main.json_contains(shallow_json(j), shallow_json(part));
CREATE MACRO json_merge_patch(a, b) AS system.main.json_merge_patch(shallow_json(a), shallow_json(b)),
    (a, b, c) AS system.main.json_merge_patch(shallow_json(a), shallow_json(b), shallow_json(c));
CREATE MACRO json_structure(j) AS system.main.json_structure(shallow_json(j));
CREATE MACRO json_group_structure(j) AS system.main.json_group_structure(shallow_json(j));

-- Dates and times. A TIME of MySQL is an INTERVAL.
CREATE MACRO unix_timestamp() AS epoch(now())::BIGINT, (t) AS epoch(t::TIMESTAMP);
CREATE MACRO from_unixtime(seconds) AS make_timestamp((seconds::DOUBLE * 1000000)::BIGINT);
CREATE MACRO makedate(y, n) AS CASE WHEN n > 0 THEN make_date(y, 1, 1) + (n - 1)::INTEGER END;
CREATE MACRO maketime(h, m, s) AS to_seconds(h * 3600 + m * 60 + s);
CREATE MACRO sec_to_time(seconds) AS to_seconds(seconds);
CREATE MACRO time_to_sec(t TIME) AS epoch(t)::BIGINT, (t INTERVAL) AS epoch(t)::BIGINT, (t TIMESTAMP) AS epoch(t::TIME)::BIGINT, (t VARCHAR) AS epoch(t::INTERVAL)::BIGINT;
CREATE MACRO timediff(a TIMESTAMP, b TIMESTAMP) AS to_microseconds(epoch_us(a) - epoch_us(b)), (a INTERVAL, b INTERVAL) AS a - b, (a TIME, b TIME) AS to_microseconds(epoch_us(a) - epoch_us(b)),
    (a VARCHAR, b VARCHAR) AS CASE WHEN a LIKE '____-%' THEN to_microseconds(epoch_us(a::TIMESTAMP) - epoch_us(b::TIMESTAMP)) ELSE a::INTERVAL - b::INTERVAL END;
CREATE MACRO from_days(n) AS DATE '0001-01-01' + (n - 366)::INTEGER;
CREATE MACRO period_add(p, n) AS (p // 100 * 12 + p % 100 - 1 + n) // 12 * 100 + (p // 100 * 12 + p % 100 - 1 + n) % 12 + 1;
CREATE MACRO period_diff(a, b) AS a // 100 * 12 + a % 100 - b // 100 * 12 - b % 100;
-- Whole months, where the end of a short month is not that of a longer one.
CREATE MACRO months_between(a, b) AS (year(b) - year(a)) * 12 + month(b) - month(a)
    - CASE WHEN a <= b AND b - date_trunc('month', b) < a - date_trunc('month', a) THEN 1 WHEN a > b AND b - date_trunc('month', b) > a - date_trunc('month', a) THEN -1 ELSE 0 END;
CREATE MACRO timestampdiff(unit, a, b) AS CASE unit
    WHEN 'month' THEN months_between(a::TIMESTAMP, b::TIMESTAMP)
    WHEN 'quarter' THEN months_between(a::TIMESTAMP, b::TIMESTAMP) // 3
    WHEN 'year' THEN months_between(a::TIMESTAMP, b::TIMESTAMP) // 12
    ELSE datesub(unit, a::TIMESTAMP, b::TIMESTAMP) END;
CREATE MACRO zone_minutes(zone) AS CASE WHEN regexp_full_match(zone, '[+-]\d{1,2}:\d\d')
    THEN (CASE WHEN zone[1] = '-' THEN -1 ELSE 1 END) * (split_part(zone[2:], ':', 1)::INTEGER * 60 + split_part(zone[2:], ':', 2)::INTEGER) END;
CREATE MACRO convert_tz(t, a, b) AS CASE WHEN zone_minutes(a) IS NOT NULL AND zone_minutes(b) IS NOT NULL
    THEN t::TIMESTAMP + to_minutes(zone_minutes(b) - zone_minutes(a)) ELSE timezone(b, timezone(a, t::TIMESTAMP)) END;

-- Operators that the translator writes. Of its own accord nobody does.
CREATE MACRO "~@"(s, pattern) AS regexp_matches(s, pattern, 'i');
CREATE MACRO "!~@"(s, pattern) AS NOT regexp_matches(s, pattern, 'i');
CREATE MACRO "+@"(d DATE, i INTERVAL) AS (d + i)::DATE, (d, i) AS d + i;
CREATE MACRO "-@"(d DATE, i INTERVAL) AS (d - i)::DATE, (d, i) AS d - i;

-- MySQL's meaning of names that DuckDB has, too. Off the search path: the translator names the schema where that meaning is asked for.
CREATE SCHEMA mysql;
CREATE MACRO mysql.div(a, b) AS (a - a % b) // b;
CREATE MACRO mysql.logical_xor(a, b) AS a::BOOLEAN <> b::BOOLEAN;
CREATE MACRO mysql.least(args) AS CASE WHEN list_count(args) = len(args) THEN list_min(args) END;
CREATE MACRO mysql.greatest(args) AS CASE WHEN list_count(args) = len(args) THEN list_max(args) END;
CREATE MACRO mysql.field(x, args) AS coalesce(list_position(args, x), 0);
CREATE MACRO mysql.elt(n, args) AS CASE WHEN n >= 1 THEN list_extract(args, n) END;
CREATE MACRO mysql.whole(a, b) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN row(a, b) END,
    (a, b, c) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL AND c IS NOT NULL THEN row(a, b, c) END,
    (a, b, c, d) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL AND c IS NOT NULL AND d IS NOT NULL THEN row(a, b, c, d) END;
CREATE MACRO mysql.length(s VARCHAR) AS strlen(s), (s BLOB) AS octet_length(s), (s) AS strlen(s::VARCHAR);
CREATE MACRO mysql.log(x) AS CASE WHEN x > 0 THEN ln(x) END, (b, x) AS CASE WHEN b > 0 AND b <> 1 AND x > 0 THEN ln(x) / ln(b) END;
CREATE MACRO mysql.format(pattern VARCHAR, x) AS format(pattern, x), (x, digits) AS format('{:,.' || greatest(digits, 0) || 'f}', round(x, greatest(digits, 0))::DOUBLE);
CREATE MACRO mysql.unsigned(x) AS CASE WHEN x < 0 THEN (18446744073709551616::HUGEINT + x::BIGINT)::UBIGINT ELSE x::UBIGINT END;
CREATE MACRO mysql.now() AS date_trunc('second', current_localtimestamp()), (fraction) AS current_localtimestamp();
CREATE MACRO mysql.time(t TIMESTAMP) AS t::TIME, (t TIME) AS t, (t INTERVAL) AS t, (t VARCHAR) AS CASE WHEN t LIKE '____-%' THEN t::TIMESTAMP::TIME ELSE t::TIME END;
CREATE MACRO mysql.timestamp(d, t) AS d::TIMESTAMP + t::VARCHAR::INTERVAL;
CREATE MACRO mysql.datediff(a, b) AS date_diff('day', b::TIMESTAMP, a::TIMESTAMP);
CREATE MACRO mysql.add_days(d DATE, i) AS d + i::INTEGER, (d, i) AS d::TIMESTAMP + to_days(i::INTEGER);
CREATE MACRO mysql.timestampadd(i, d) AS d::TIMESTAMP + i;
CREATE MACRO mysql.timestampadd_days(i, d DATE) AS (d + i)::DATE, (i, d) AS d::TIMESTAMP + i;
CREATE MACRO mysql.to_days(d) AS d::DATE - DATE '0001-01-01' + 366;
CREATE MACRO mysql.dayofweek(d) AS dayofweek(d::TIMESTAMP) + 1;
CREATE MACRO mysql.weekday(d) AS isodow(d::TIMESTAMP) - 1;
CREATE MACRO mysql.microsecond(t) AS microsecond(t::TIMESTAMP) % 1000000;
CREATE MACRO mysql.day_suffix(n) AS n || CASE WHEN n % 100 BETWEEN 11 AND 13 THEN 'th' WHEN n % 10 = 1 THEN 'st' WHEN n % 10 = 2 THEN 'nd' WHEN n % 10 = 3 THEN 'rd' ELSE 'th' END;
-- The day by which a week gets its number: the first of a week that begins in the year, or, in the modes where
-- four days make a week the year's, the fourth (MySQL manual, "WEEK(date[,mode])").
CREATE MACRO mysql.week_anchor(d, mode) AS d - (CASE WHEN mode % 2 = 1 THEN isodow(d) - 1 ELSE dayofweek(d) END)::INTEGER + (CASE WHEN mode IN (1, 3, 4, 6) THEN 3 ELSE 0 END);
CREATE MACRO mysql.week_of(d, anchor, mode) AS CASE
    WHEN mode IN (2, 3, 6, 7) OR year(anchor) = year(d) THEN (dayofyear(anchor) - 1) // 7 + 1
    WHEN year(anchor) < year(d) THEN 0 ELSE 53 END;
CREATE MACRO mysql.week(d) AS companion.mysql.week_of(d::DATE, companion.mysql.week_anchor(d::DATE, 0), 0),
    (d, mode) AS companion.mysql.week_of(d::DATE, companion.mysql.week_anchor(d::DATE, mode), mode);
CREATE MACRO mysql.yearweek_of(anchor) AS year(anchor) * 100 + (dayofyear(anchor) - 1) // 7 + 1;
CREATE MACRO mysql.yearweek(d) AS companion.mysql.yearweek_of(companion.mysql.week_anchor(d::DATE, 2)),
    (d, mode) AS companion.mysql.yearweek_of(companion.mysql.week_anchor(d::DATE, mode | 2));
CREATE MACRO mysql.extract_year_month(t) AS year(t::TIMESTAMP) * 100 + month(t::TIMESTAMP);
CREATE MACRO mysql.extract_day_hour(t) AS day(t::TIMESTAMP) * 100 + hour(t::TIMESTAMP);
CREATE MACRO mysql.extract_day_minute(t) AS day(t::TIMESTAMP) * 10000 + hour(t::TIMESTAMP) * 100 + minute(t::TIMESTAMP);
CREATE MACRO mysql.extract_day_second(t) AS day(t::TIMESTAMP) * 1000000 + hour(t::TIMESTAMP) * 10000 + minute(t::TIMESTAMP) * 100 + second(t::TIMESTAMP);
CREATE MACRO mysql.extract_hour_minute(t) AS hour(t::TIMESTAMP) * 100 + minute(t::TIMESTAMP);
CREATE MACRO mysql.extract_hour_second(t) AS hour(t::TIMESTAMP) * 10000 + minute(t::TIMESTAMP) * 100 + second(t::TIMESTAMP);
CREATE MACRO mysql.extract_minute_second(t) AS minute(t::TIMESTAMP) * 100 + second(t::TIMESTAMP);
CREATE MACRO mysql.extract_week(t) AS companion.mysql.week(t);
CREATE MACRO mysql.extract_microsecond(t) AS companion.mysql.microsecond(t);
