-- Bronze to silver, data quality, gold and features of the generated feed, as one would write it for DuckDB alone:
-- the codes, the sectors and the zone (UTC−3 all year) are spelled out, and nothing here could run elsewhere.
-- The variable `bronze` holds the files of bronze.events_raw; results go to folders below the working directory.

CREATE MACRO minutes_between(a, b) AS (epoch_us(b) - epoch_us(a)) / 60e6;
-- A cast would ask the zone database for the offset of every value.
CREATE MACRO instant(t) AS make_timestamptz(epoch_us(t));
CREATE MACRO hour_of(t) AS epoch_us(t) // 3_600_000_000;
-- The number of the first hour that starts at or after an instant.
CREATE MACRO next_hour(t) AS (epoch_us(t) + 3_599_999_999) // 3_600_000_000;
CREATE VIEW bronze AS FROM read_parquet(getvariable('bronze'));

-- stage: judged
-- Every record of this feed names encounter and event, which say what is a version of what, and a readable version time.
CREATE TEMP TABLE old_versions AS
WITH repeated AS (
    SELECT feed_id, encounter_id, source_event_id
    FROM bronze
    GROUP BY ALL
    HAVING count(*) > 1
)
SELECT
    feed_id, delivery_seq, record_no,
    if(content_hash = first(content_hash) OVER newest_first, 'duplicate', 'superseded') AS old_fate
FROM bronze SEMI JOIN repeated USING (feed_id, encounter_id, source_event_id)
WINDOW newest_first AS (
    PARTITION BY feed_id, encounter_id, source_event_id
    ORDER BY TRY_CAST(version_time AS TIMESTAMP) DESC NULLS LAST, delivery_seq DESC, record_no DESC
)
QUALIFY row_number() OVER newest_first > 1;

-- What is the same for a whole delivery stays out of the wide table, and joins back for the few rows that need it.
CREATE TEMP TABLE deliveries AS
SELECT DISTINCT feed_id, delivery_seq, batch_id, source_file, source_sha256, ingested_at FROM bronze;

CREATE TEMP TABLE judged AS
WITH typed AS (
    SELECT
        feed_id, delivery_seq, record_no, dt, encounter_id, patient_id, source_event_id,
        TRY_CAST(event_time AS TIMESTAMP) + INTERVAL 3 HOUR AS event_at,
        CASE event_type
            WHEN 'A01' THEN 'arrival' WHEN 'TR1' THEN 'triage_start' WHEN 'TR2' THEN 'triage_end'
            WHEN 'MD1' THEN 'care_start' WHEN 'ADM' THEN 'admit' WHEN 'A02' THEN 'transfer'
            WHEN 'A03' THEN 'discharge' WHEN 'EVA' THEN 'discharge' WHEN 'LAB' THEN 'ignore'
        END AS kind,
        CASE WHEN sector IN ('PS', 'SV', 'PED', 'OBS', 'UTI', 'CM1', 'CM2', 'CIR') THEN sector END AS sector_id,
        bed AS bed_id,
        TRY_CAST(triage_level AS BIGINT) AS level,
        CASE
            WHEN event_type = 'EVA' THEN 'left_without_care'
            WHEN disposition = '1' THEN 'home' WHEN disposition = '2' THEN 'admitted' WHEN disposition = '5' THEN 'died'
        END AS outcome,
        event_time, sector, triage_level, disposition
    FROM bronze
), checked AS (
    SELECT
        * EXCLUDE (event_time, sector, triage_level, disposition),
        CASE
            WHEN kind IS NULL THEN 'EVENT_TYPE_UNKNOWN'
            WHEN encounter_id IS NULL THEN 'ENCOUNTER_ID_MISSING'
            WHEN event_time IS NULL THEN 'EVENT_TIME_MISSING'
            WHEN event_at IS NULL THEN 'TIME_UNREADABLE'
            WHEN event_at < TIMESTAMP '2024-12-01 03:00' OR event_at >= TIMESTAMP '2026-07-01 03:00'
                THEN 'TIME_OUT_OF_RANGE'
            WHEN sector IS NOT NULL AND sector_id IS NULL THEN 'SECTOR_UNKNOWN'
            WHEN triage_level IS NOT NULL AND level IS NULL OR level NOT BETWEEN 1 AND 5 THEN 'TRIAGE_UNKNOWN'
            WHEN disposition IS NOT NULL AND outcome IS NULL THEN 'DISPOSITION_UNKNOWN'
        END AS reason_code,
        CASE WHEN reason_code IS NOT NULL THEN concat_ws(
            ',',
            if(kind IS NULL, 'EVENT_TYPE_UNKNOWN', NULL),
            if(encounter_id IS NULL, 'ENCOUNTER_ID_MISSING', NULL),
            if(event_time IS NULL, 'EVENT_TIME_MISSING', NULL),
            if(event_time IS NOT NULL AND event_at IS NULL, 'TIME_UNREADABLE', NULL),
            if(event_at < TIMESTAMP '2024-12-01 03:00' OR event_at >= TIMESTAMP '2026-07-01 03:00',
                'TIME_OUT_OF_RANGE', NULL),
            if(sector IS NOT NULL AND sector_id IS NULL, 'SECTOR_UNKNOWN', NULL),
            if(triage_level IS NOT NULL AND level IS NULL OR level NOT BETWEEN 1 AND 5, 'TRIAGE_UNKNOWN', NULL),
            if(disposition IS NOT NULL AND outcome IS NULL, 'DISPOSITION_UNKNOWN', NULL)
        ) END AS rule_ids
    FROM typed
)
SELECT
    * EXCLUDE (old_fate),
    CASE
        WHEN old_fate IS NOT NULL THEN old_fate
        WHEN kind = 'ignore' THEN 'ignored'
        WHEN reason_code IS NOT NULL THEN 'quarantined'
        ELSE 'applied'
    END AS fate
FROM checked LEFT JOIN old_versions USING (feed_id, delivery_seq, record_no);

-- stage: assembled
CREATE TEMP TABLE places AS
WITH placed AS (
    SELECT
        encounter_id, sector_id, bed_id, event_at,
        CASE kind
            WHEN 'arrival' THEN 0 WHEN 'triage_start' THEN 1 WHEN 'triage_end' THEN 2 WHEN 'care_start' THEN 3
            WHEN 'admit' THEN 4 WHEN 'transfer' THEN 5 ELSE 6
        END AS kind_no
    FROM judged
    WHERE fate = 'applied' AND sector_id IS NOT NULL
), told AS (
    SELECT *, lag(sector_id) OVER in_order IS DISTINCT FROM sector_id AS is_other_sector
    FROM placed
    WINDOW in_order AS (PARTITION BY encounter_id ORDER BY event_at, kind_no, sector_id, bed_id)
), changes AS (
    SELECT *
    FROM told
    WHERE is_other_sector OR bed_id IS NOT NULL
    WINDOW in_order AS (PARTITION BY encounter_id ORDER BY event_at, kind_no, sector_id, bed_id)
    QUALIFY is_other_sector OR lag(bed_id) OVER in_order IS DISTINCT FROM bed_id
)
SELECT
    encounter_id, sector_id, bed_id, event_at AS start_time,
    lead(event_at) OVER in_order AS next_time,
    row_number() OVER in_order AS place_no
FROM changes
WINDOW in_order AS (PARTITION BY encounter_id ORDER BY event_at, kind_no, sector_id, bed_id);

CREATE TEMP TABLE assembled AS
WITH milestones AS (
    SELECT
        encounter_id,
        max(patient_id) AS patient_id,
        min(feed_id) AS feed_id,
        min(event_at) FILTER (kind = 'arrival') AS arrival_time,
        min(event_at) FILTER (kind = 'triage_start') AS triage_start,
        max(event_at) FILTER (kind = 'triage_end') AS triage_end,
        min(event_at) FILTER (kind = 'care_start') AS care_start,
        min(event_at) FILTER (kind = 'admit') AS admit_time,
        max(event_at) FILTER (kind = 'discharge') AS discharge_time,
        min(event_at) FILTER (sector_id IS NOT NULL) AS first_placed,
        max(event_at) FILTER (sector_id IS NOT NULL) AS last_placed,
        5 - max(epoch_us(event_at) * 8 + 5 - level) % 8 AS triage_level,
        max(epoch_us(event_at) * 8 + CASE outcome
            WHEN 'home' THEN 7 WHEN 'admitted' THEN 6 WHEN 'left_without_care' THEN 4 WHEN 'died' THEN 2
        END) % 8 AS outcome_no
    FROM judged
    WHERE fate = 'applied'
    GROUP BY encounter_id
), waits AS (
    SELECT
        milestones.* EXCLUDE (outcome_no),
        CASE outcome_no
            WHEN 7 THEN 'home' WHEN 6 THEN 'admitted' WHEN 4 THEN 'left_without_care' WHEN 2 THEN 'died'
        END AS disposition,
        first_place.sector_id,
        minutes_between(arrival_time, triage_start) AS wait_triage_min,
        minutes_between(coalesce(triage_end, arrival_time), care_start) AS wait_service_min,
        minutes_between(arrival_time, care_start) AS total_wait_min,
        minutes_between(arrival_time, discharge_time) AS los_min,
        (arrival_time - INTERVAL 3 HOUR)::DATE AS dt
    FROM milestones
    LEFT JOIN (SELECT encounter_id, sector_id FROM places WHERE place_no = 1) AS first_place USING (encounter_id)
)
SELECT
    * EXCLUDE (first_placed, last_placed),
    CASE
        WHEN arrival_time IS NULL THEN 'ARRIVAL_MISSING'
        WHEN sector_id IS NULL THEN 'SECTOR_MISSING'
        WHEN arrival_time > least(triage_start, triage_end, care_start, admit_time, first_placed, discharge_time)
            OR triage_end < triage_start OR care_start < triage_end
            OR discharge_time < greatest(triage_start, triage_end, care_start, admit_time, last_placed)
            THEN 'EVENTS_REVERSED'
        WHEN los_min > 60 * 1440 THEN 'STAY_TOO_LONG'
    END AS reason_code
FROM waits;

CREATE TEMP VIEW sound AS FROM assembled WHERE reason_code IS NULL;
CREATE TEMP VIEW faulty AS
    SELECT encounter_id, reason_code AS encounter_reason FROM assembled WHERE reason_code IS NOT NULL;

-- stage: silver
COPY (
    SELECT
        encounter_id, patient_id, feed_id, 'bench' AS facility_id, sector_id, triage_level, disposition,
        instant(arrival_time) AS arrival_time, instant(triage_start) AS triage_start,
        instant(triage_end) AS triage_end, instant(care_start) AS care_start,
        instant(admit_time) AS admit_time, instant(discharge_time) AS discharge_time,
        wait_triage_min, wait_service_min, total_wait_min, los_min, dt
    FROM sound
) TO 'encounters' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (dt), WRITE_PARTITION_COLUMNS true);

COPY (
    SELECT
        encounter_id, 'bench' AS facility_id, places.sector_id, bed_id,
        instant(start_time) AS start_time, instant(coalesce(next_time, discharge_time)) AS end_time, dt
    FROM places JOIN sound USING (encounter_id)
    WHERE next_time IS NULL OR next_time > start_time
) TO 'stays' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (dt), WRITE_PARTITION_COLUMNS true);

COPY (
    SELECT
        encounter_id || '|' || source_event_id AS event_id,
        encounter_id, kind AS event_type, instant(event_at) AS event_time, judged.sector_id, bed_id, sound.dt
    FROM judged JOIN sound USING (encounter_id)
    WHERE fate = 'applied'
) TO 'events' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (dt), WRITE_PARTITION_COLUMNS true);

COPY (
    SELECT
        feed_id, batch_id, source_file, source_sha256, record_no, delivery_seq, ingested_at,
        'bronze.events_raw' AS source_table, encounter_id, coalesce(judged.reason_code, encounter_reason) AS reason_code,
        CASE judged.reason_code
            WHEN 'EVENT_TYPE_UNKNOWN' THEN 'event_type' WHEN 'ENCOUNTER_ID_MISSING' THEN 'encounter_id'
            WHEN 'SECTOR_UNKNOWN' THEN 'sector' WHEN 'TRIAGE_UNKNOWN' THEN 'triage_level'
            WHEN 'DISPOSITION_UNKNOWN' THEN 'disposition' WHEN 'EVENT_TIME_MISSING' THEN 'event_time'
            WHEN 'TIME_UNREADABLE' THEN 'event_time' WHEN 'TIME_OUT_OF_RANGE' THEN 'event_time'
        END AS "column",
        coalesce(judged.rule_ids, encounter_reason) AS rule_ids, 'held' AS state, dt
    FROM judged JOIN deliveries USING (feed_id, delivery_seq) LEFT JOIN faulty USING (encounter_id)
    WHERE fate = 'quarantined' OR fate = 'applied' AND encounter_reason IS NOT NULL
) TO 'quarantine' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (dt), WRITE_PARTITION_COLUMNS true);

COPY (
    WITH counts AS (
        SELECT
            feed_id, delivery_seq, dt,
            count(*) AS delivered,
            count(*) FILTER (fate = 'applied' AND encounter_reason IS NULL) AS applied,
            count(*) FILTER (fate = 'superseded') AS superseded,
            count(*) FILTER (fate = 'duplicate') AS duplicate,
            count(*) FILTER (fate = 'quarantined' OR fate = 'applied' AND encounter_reason IS NOT NULL) AS quarantined,
            count(*) FILTER (fate = 'ignored') AS ignored,
            0 AS civil_times_resolved
        FROM judged LEFT JOIN faulty USING (encounter_id)
        GROUP BY ALL
    )
    SELECT
        feed_id, batch_id, source_file, source_sha256, delivery_seq,
        delivered, applied, superseded, duplicate, quarantined, ignored, civil_times_resolved, dt
    FROM counts JOIN deliveries USING (feed_id, delivery_seq)
) TO 'batch_accounts' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (dt), WRITE_PARTITION_COLUMNS true);

DROP TABLE judged;
DROP TABLE old_versions;
DROP TABLE places;
DROP TABLE assembled CASCADE;
CREATE VIEW encounters AS FROM read_parquet('encounters/*/*.parquet', hive_partitioning = false);
CREATE VIEW stays AS FROM read_parquet('stays/*/*.parquet', hive_partitioning = false);
CREATE VIEW events AS FROM read_parquet('events/*/*.parquet', hive_partitioning = false);

-- stage: quality
COPY (
    WITH rows_of_encounters AS (
        SELECT
            count(*) AS checked,
            count(*) - count(arrival_time) AS no_arrival,
            count(*) FILTER (arrival_time < '2024-11-30' OR arrival_time >= '2026-07-02'
                OR arrival_time > getvariable('now')) AS arrival_out_of_range,
            count(*) - count(triage_level) AS no_level,
            count(*) - count(care_start) AS no_care,
            count(*) - count(discharge_time) AS no_discharge,
            count(*) FILTER (disposition NOT IN ('home', 'admitted', 'transferred', 'left_without_care',
                'left_against_advice', 'died', 'other')) AS disposition_unknown,
            count(*) FILTER (triage_start < arrival_time) AS triage_before_arrival,
            count(*) FILTER (triage_end < triage_start) AS triage_reversed,
            count(*) FILTER (care_start < arrival_time) AS care_before_arrival,
            count(*) FILTER (discharge_time < care_start) AS discharge_before_care,
            count(*) FILTER (discharge_time < arrival_time) AS discharge_before_arrival,
            count(*) FILTER (total_wait_min NOT BETWEEN 0 AND 1440) AS wait_out_of_range,
            count(*) FILTER (los_min NOT BETWEEN 0 AND 20160) AS los_out_of_range
        FROM encounters
    )
    SELECT
        rows_of_encounters.*,
        (SELECT count(*) FROM events WHERE event_type NOT IN ('arrival', 'triage_start', 'triage_end', 'care_start',
            'admit', 'transfer', 'discharge')) AS type_unknown,
        (SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) n FROM encounters GROUP BY encounter_id))
            AS encounters_repeated,
        (SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) n FROM stays GROUP BY encounter_id, start_time))
            AS stays_repeated,
        (SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) n FROM events GROUP BY event_id)) AS events_repeated,
        (SELECT count(*) FROM stays ANTI JOIN encounters USING (encounter_id)) AS stays_orphaned,
        (SELECT count(*) FROM events ANTI JOIN encounters USING (encounter_id)) AS events_orphaned,
        held.quarantined, held.delivered
    FROM rows_of_encounters, (
        SELECT sum(quarantined) AS quarantined, sum(delivered) AS delivered
        FROM read_parquet('batch_accounts/*/*.parquet', hive_partitioning = false)
    ) AS held
) TO 'quality.parquet' (FORMAT parquet);

-- stage: gold
CREATE TEMP TABLE hours AS
WITH known AS (
    SELECT
        least(max(event_time), getvariable('now'))::TIMESTAMP AS until,
        (SELECT min(dt) FROM encounters) AS first_day
    FROM events
)
SELECT hour_start, hour_of(hour_start) AS hour_no, (hour_start - INTERVAL 3 HOUR)::DATE AS dt
FROM known, unnest(generate_series(first_day + INTERVAL 3 HOUR, until, INTERVAL 1 HOUR)) AS series(hour_start)
WHERE hour_start < until;

SET VARIABLE first_hour = (SELECT min(hour_no) FROM hours);
SET VARIABLE end_hour = (SELECT max(hour_no) + 1 FROM hours);

COPY (
    WITH sectors AS (
        SELECT unnest(getvariable('sectors'), recursive := true)
    ), grid AS (
        FROM hours CROSS JOIN sectors
    ), arrivals AS (
        SELECT
            sector_id, hour_of(arrival_time) AS hour_no,
            count(*) AS arrivals_count,
            avg(total_wait_min) AS wait_avg_min,
            quantile_cont(total_wait_min, 0.9) AS wait_p90_min,
            avg(triage_level) AS avg_triage_acuity
        FROM encounters
        GROUP BY ALL
    ), departures AS (
        SELECT sector_id, hour_of(end_time) AS hour_no, count(*) AS departures_count
        FROM stays
        WHERE end_time IS NOT NULL
        GROUP BY ALL
    ), left_unseen AS (
        SELECT sector_id, hour_of(discharge_time) AS hour_no, count(*) AS left_without_care
        FROM encounters
        WHERE disposition = 'left_without_care' AND discharge_time IS NOT NULL
        GROUP BY ALL
    ), steps AS (
        SELECT sector_id, greatest(next_hour(start_time), getvariable('first_hour')) AS hour_no, 1 AS step FROM stays
        UNION ALL
        SELECT
            sector_id,
            greatest(next_hour(coalesce(end_time, start_time + INTERVAL 60 DAY)), getvariable('first_hour')),
            -1
        FROM stays
    ), net AS (
        SELECT sector_id, hour_no, sum(step) AS step FROM steps GROUP BY ALL
    ), occupied AS (
        SELECT
            sector_id, hour_no,
            sum(coalesce(step, 0)) OVER (PARTITION BY sector_id ORDER BY hour_no) AS occupied_beds
        FROM grid LEFT JOIN net USING (sector_id, hour_no)
    ), waiting AS (
        SELECT
            sector_id, arrival_time AS since,
            unnest(range(
                greatest(next_hour(arrival_time), getvariable('first_hour')),
                least(
                    next_hour(coalesce(care_start, discharge_time, arrival_time + INTERVAL 60 DAY)),
                    getvariable('end_hour')
                )
            )) AS hour_no
        FROM encounters
    ), queue AS (
        SELECT
            sector_id, hour_no, count(*) AS queue_length,
            (hour_no * 3_600_000_000 - epoch_us(min(since))) / 60e6 AS longest_wait_min
        FROM waiting
        GROUP BY sector_id, hour_no
    ), kept AS (
        SELECT
            stays.sector_id,
            admit_time AS since,
            greatest(admit_time, start_time) AS came,
            coalesce(end_time, start_time + INTERVAL 60 DAY) AS until
        FROM stays JOIN encounters USING (encounter_id)
        WHERE stays.sector_id IN ('PS', 'SV', 'PED') AND admit_time < coalesce(end_time, start_time + INTERVAL 60 DAY)
    ), boarding_hours AS (
        SELECT
            sector_id, since,
            unnest(range(
                greatest(next_hour(came), getvariable('first_hour')), least(next_hour(until), getvariable('end_hour'))
            )) AS hour_no
        FROM kept
    ), boarders AS (
        SELECT
            sector_id, hour_no, count(*) AS boarding,
            (hour_no * 3_600_000_000 - epoch_us(min(since))) / 60e6 AS longest_boarding_min
        FROM boarding_hours
        GROUP BY sector_id, hour_no
    ), last_placed AS (
        SELECT hour_of(care_start) + 1 AS hour_no, max(care_start) AS care_start
        FROM encounters
        WHERE sector_id IN ('PS', 'SV', 'PED') AND care_start IS NOT NULL
        GROUP BY ALL
    ), placed AS (
        SELECT last_placed.hour_no, max(total_wait_min) AS minutes
        FROM last_placed JOIN encounters USING (care_start)
        WHERE sector_id IN ('PS', 'SV', 'PED')
        GROUP BY ALL
    ), door_to_bed AS (
        SELECT
            hour_no,
            last_value(minutes IGNORE NULLS) OVER (ORDER BY hour_no ROWS BETWEEN 23 PRECEDING AND CURRENT ROW)
                AS last_door_to_bed_min
        FROM hours LEFT JOIN placed USING (hour_no)
    ), metrics AS (
        SELECT
            sector_id, kind = 'ed' AS is_ed, capacity, hour_no, hour_start, dt,
            coalesce(arrivals_count, 0) AS arrivals_count,
            coalesce(departures_count, 0) AS departures_count,
            coalesce(left_without_care, 0) AS left_without_care,
            wait_avg_min, wait_p90_min, avg_triage_acuity,
            occupied_beds::BIGINT AS occupied_beds,
            occupied_beds / capacity AS occupancy_rate,
            coalesce(queue_length, 0) AS queue_length,
            longest_wait_min,
            coalesce(boarding, 0) AS boarding,
            longest_boarding_min,
            CASE WHEN kind = 'ed' THEN last_door_to_bed_min END AS last_door_to_bed_min
        FROM grid
        LEFT JOIN arrivals USING (sector_id, hour_no)
        LEFT JOIN departures USING (sector_id, hour_no)
        LEFT JOIN left_unseen USING (sector_id, hour_no)
        LEFT JOIN occupied USING (sector_id, hour_no)
        LEFT JOIN queue USING (sector_id, hour_no)
        LEFT JOIN boarders USING (sector_id, hour_no)
        LEFT JOIN door_to_bed USING (hour_no)
    ), crowding AS (
        SELECT
            hour_no,
            -20 + 85.8 * (sum(occupied_beds) / sum(capacity))
                + 600 * (sum(boarding) / (SELECT sum(capacity) FROM sectors))
                + 13.4 * 1
                + 0.93 * (coalesce(max(longest_boarding_min), 0) / 60)
                + 5.64 * (max(last_door_to_bed_min) / 60) AS nedocs
        FROM metrics
        WHERE is_ed
        GROUP BY hour_no
    )
    SELECT
        'bench' AS facility_id, sector_id, instant(hour_start) AS hour_start,
        arrivals_count, departures_count, left_without_care, wait_avg_min, wait_p90_min, avg_triage_acuity,
        occupied_beds, capacity AS functional_capacity, occupancy_rate, queue_length, longest_wait_min, boarding,
        longest_boarding_min,
        last_door_to_bed_min,
        1 AS ventilated, (SELECT sum(capacity)::BIGINT FROM sectors) AS hospital_beds,
        CASE WHEN is_ed THEN nedocs END AS nedocs,
        CASE WHEN is_ed THEN if(nedocs IS NULL, 'missing: last_door_to_bed', 'assumed: ventilated = 1') END
            AS nedocs_note,
        least(greatest((occupancy_rate - 0.7) / 0.5 * 50, 0), 50)
            + least(greatest(queue_length / capacity / 0.5 * 25, 0), 25)
            + least(greatest((coalesce(longest_wait_min, 0) - 60) / 180 * 25, 0), 25) AS risk_score,
        dt
    FROM metrics JOIN crowding USING (hour_no)
) TO 'ops_metrics_hourly' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (dt), WRITE_PARTITION_COLUMNS true);

-- stage: features
COPY (
    WITH metrics AS (
        FROM read_parquet('ops_metrics_hourly/*/*.parquet', hive_partitioning = false)
    )
    SELECT
        facility_id, sector_id, hour_start, arrivals_count,
        hour((hour_start::TIMESTAMP - INTERVAL 3 HOUR)) AS hour_of_day,
        isodow(dt) - 1 AS day_of_week,
        dayofyear(dt) AS day_of_year,
        list_contains(getvariable('holidays'), dt) AS is_holiday,
        if(count(*) OVER last_12h = 12, avg(arrivals_count) OVER last_12h, NULL) AS level_12h,
        if(count(*) OVER last_1d = 24, avg(arrivals_count) OVER last_1d, NULL) AS level_1d,
        if(count(*) OVER last_7d = 168, avg(arrivals_count) OVER last_7d, NULL) AS level_7d,
        if(count(*) OVER last_28d = 672, avg(arrivals_count) OVER last_28d, NULL) AS level_28d,
        if(count(*) OVER last_84d = 2016, avg(arrivals_count) OVER last_84d, NULL) AS level_84d,
        if(count(*) OVER last_364d = 8736, avg(arrivals_count) OVER last_364d, NULL) AS level_364d,
        lag(arrivals_count, 168) OVER in_order AS lag_1w,
        lag(arrivals_count, 336) OVER in_order AS lag_2w,
        lag(arrivals_count, 504) OVER in_order AS lag_3w,
        lag(arrivals_count, 672) OVER in_order AS lag_4w,
        occupied_beds, queue_length, dt
    FROM metrics
    WINDOW
        in_order AS (PARTITION BY sector_id ORDER BY hour_start),
        last_12h AS (PARTITION BY sector_id ORDER BY hour_start ROWS BETWEEN 12 PRECEDING AND 1 PRECEDING),
        last_1d AS (PARTITION BY sector_id ORDER BY hour_start ROWS BETWEEN 24 PRECEDING AND 1 PRECEDING),
        last_7d AS (PARTITION BY sector_id ORDER BY hour_start ROWS BETWEEN 168 PRECEDING AND 1 PRECEDING),
        last_28d AS (PARTITION BY sector_id ORDER BY hour_start ROWS BETWEEN 672 PRECEDING AND 1 PRECEDING),
        last_84d AS (PARTITION BY sector_id ORDER BY hour_start ROWS BETWEEN 2016 PRECEDING AND 1 PRECEDING),
        last_364d AS (PARTITION BY sector_id ORDER BY hour_start ROWS BETWEEN 8736 PRECEDING AND 1 PRECEDING)
) TO 'features' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARTITION_BY (dt), WRITE_PARTITION_COLUMNS true);
