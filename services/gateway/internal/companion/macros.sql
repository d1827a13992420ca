CREATE MACRO curdate() AS current_date;
CREATE MACRO curtime() AS current_localtime();
CREATE MACRO sysdate() AS current_localtimestamp();
CREATE MACRO utc_date() AS current_date;
CREATE MACRO utc_time() AS current_localtime();
CREATE MACRO utc_timestamp() AS current_localtimestamp();
CREATE MACRO database() AS current_database();
