-- The shipped rules of silver, as one would write them for DuckDB alone: one statement a table, and in it one column a
-- rule, the rows that break it. Where a rule judges some rows only, a second column says how many.
-- The views `encounters`, `stays` and `events` and the variable `now` are there.

-- table: silver.encounters
SELECT
    count(*) AS checked,
    count(encounter_id) - count(DISTINCT encounter_id) AS "encounters.encounter_id.unique",
    count(*) - count(arrival_time) AS "encounters.arrival_time.complete",
    count(*) FILTER (arrival_time IS NULL OR arrival_time > getvariable('now') + INTERVAL 5 MINUTE)
        AS "encounters.arrival_time.plausible",
    count(*) FILTER (arrival_time IS NULL OR arrival_time > getvariable('now') + INTERVAL 5 MINUTE)
        AS "encounters.arrival_time.range",
    count(*) - count(triage_level) AS "encounters.triage_level.complete",
    count(*) - count(care_start) AS "encounters.care_start.complete",
    count(*) - count(discharge_time) AS "encounters.discharge_time.complete",
    count(*) FILTER (disposition NOT IN ('home', 'admitted', 'transferred', 'left_without_care', 'left_against_advice',
        'died', 'other')) AS "encounters.disposition.allowed",
    count(*) FILTER (triage_level NOT IN (1, 2, 3, 4, 5)) AS "encounters.triage_level.allowed",
    count(*) FILTER (triage_start < arrival_time) AS "encounters.arrival_time_before_triage_start",
    count(*) FILTER (triage_end < triage_start) AS "encounters.triage_start_before_triage_end",
    count(*) FILTER (care_start < arrival_time) AS "encounters.arrival_time_before_care_start",
    count(*) FILTER (discharge_time < care_start) AS "encounters.care_start_before_discharge_time",
    count(*) FILTER (discharge_time < arrival_time) AS "encounters.arrival_time_before_discharge_time",
    count(total_wait_min) AS "encounters.total_wait_min.range checked",
    count(*) FILTER (total_wait_min > 1440) AS "encounters.total_wait_min.range",
    count(los_min) AS "encounters.los_min.range checked",
    count(*) FILTER (los_min > 20160) AS "encounters.los_min.range"
FROM encounters;

-- table: silver.stays
SELECT
    count(*) AS checked,
    (SELECT sum(times) - count(*) FILTER (encounter_id IS NOT NULL AND start_time IS NOT NULL)
        FROM (SELECT encounter_id, start_time, count(*) AS times FROM stays GROUP BY ALL))
        AS "stays.encounter_and_start.unique",
    (SELECT count(*) FROM stays ANTI JOIN encounters USING (encounter_id)) AS "stays.encounter_id.known",
    count(*) FILTER (end_time < start_time) AS "stays.start_before_end"
FROM stays;

-- table: silver.events
SELECT
    count(*) AS checked,
    count(event_id) - count(DISTINCT event_id) AS "events.event_id.unique",
    count(*) FILTER (event_type IS NULL OR event_type NOT IN ('arrival', 'triage_start', 'triage_end', 'care_start',
        'admit', 'transfer', 'discharge')) AS "events.event_type.allowed",
    (SELECT count(*) FROM events ANTI JOIN encounters USING (encounter_id)) AS "events.encounter_id.known"
FROM events;
