from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from healthcare_ops.core.feed import Feed
from healthcare_ops.core.site import Site
from healthcare_ops.core.validated import read_toml
from healthcare_ops.operations.feed_check import FeedCheck, UnknownCode, check_feed
from healthcare_ops.pipeline.sources.mapping import map_records
from healthcare_ops.pipeline.sources.pseudonyms import Pseudonymiser
from healthcare_ops.pipeline.sources.readers import read_records

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
SAMPLES = ROOT / "src" / "healthcare_ops" / "samples"
PUBLIC_DATA = ROOT.parent / "shared" / "data" / "hospital" / "csv_events"

SITE_OF = {
    EXAMPLES / "feeds" / "bupar_patients.toml": EXAMPLES / "sites" / "bupar.toml",
    EXAMPLES / "feeds" / "daqapo_dirty.toml": EXAMPLES / "sites" / "daqapo.toml",
    EXAMPLES / "feeds" / "mimic3_demo.toml": EXAMPLES / "sites" / "mimic3.toml",
    EXAMPLES / "feeds" / "hospital_encounters.toml": EXAMPLES / "sites" / "hospital_br.toml",
    EXAMPLES / "feeds" / "hospital_events.toml": EXAMPLES / "sites" / "hospital_br.toml",
    SAMPLES / "skane_feed.toml": SAMPLES / "skane_site.toml",
}
# The generator writes the feeds of these itself.
SIMULATED_SITES = [
    EXAMPLES / "sites" / "ed_six_sectors.toml",
    EXAMPLES / "sites" / "urgencia_lisboa.toml",
    *sorted((EXAMPLES / "sites" / "network").glob("*.toml")),
]

VISITS = (
    "NR_ATENDIMENTO;CD_PACIENTE;NM_PACIENTE;DT_ATUALIZACAO;DT_CHEGADA;DT_INICIO_CLASSIFICACAO;DT_FIM_CLASSIFICACAO;"
    "DT_INICIO_ATENDIMENTO;DT_DECISAO;DT_SAIDA_PS;DT_SAIDA;DS_SETOR;DS_SETOR_DESTINO;CD_LEITO;DS_COR_MANCHESTER;DS_DESTINO\n"
    "9001;77;Conceição;01/03/2026 18:00;01/03/2026 14:05;01/03/2026 14:10;01/03/2026 14:15;01/03/2026 14:40;"
    "01/03/2026 16:00;01/03/2026 17:30;;PS ADULTO;CLINICA MEDICA;12;Amarelo;INTERNACAO\n"
    "9002;78;João;01/03/2026 18:00:30;01/03/2026 15:00:10;01/03/2026 15:05;01/03/2026 15:08;01/03/2026 16:10;"
    "01/03/2026 16:30;01/03/2026 16:35;01/03/2026 16:35;PRONTO SOCORRO;;;Azul;ALTA\n"
    "9003;79;Zé;01/03/2026 18:00;01/03/2026 15:30;;;;;;01/03/2026 17:00;PS INFANTIL;;;Branco;EVASAO\n"
)
EVENTS = (
    '{"event": {"id": "e-1", "code": "A01", "at": "2026-03-01T14:05:00-03:00"}, "visit": 9001, "place": "PS"}\n'
    '{"event": {"id": "e-2", "code": "TR2", "at": "2026-03-01T14:15:00-03:00"}, "visit": 9001, "triage": 3}\n'
    '{"event": {"id": "e-3", "code": "A03", "at": "2026-03-01T17:30:00-03:00"}, "visit": 9001, "outcome": 1}\n'
    '{"event": {"id": "e-4", "code": "Z99", "at": "2026-03-01T17:30:00-03:00"}, "visit": 9001}\n'
)


def public_file(name: str) -> Path:
    path = PUBLIC_DATA / name
    if not path.exists():
        pytest.skip(f"needs the public data set {name}, which is not part of the repository")
    return path


def mapped_events(name: str, feed: Feed) -> Counter[str | None]:
    """Count the events of a public file by what they are mapped to."""
    batches = read_records(public_file(name), feed)
    pseudonymiser = Pseudonymiser("k", b"key")
    mapped = (map_records(batch, feed, source_sha256="abc", pseudonymiser=pseudonymiser) for batch in batches)
    codes = Counter(code for batch in mapped for code in batch["event_type"].to_pylist())
    known = feed.values.event_type
    return sum((Counter({known.get(code): count}) for code, count in codes.items()), Counter())


def samples_of(result: FeedCheck, column: str) -> list[str]:
    (found,) = [each for each in result.columns if each.column == column]
    return [sample.reads_as for sample in found.samples]


@pytest.mark.parametrize(("feed_file", "site_file"), SITE_OF.items(), ids=lambda path: path.stem)
def test_an_example_feed_is_valid_and_its_site_has_every_sector_it_maps_to(feed_file, site_file):
    feed, site = read_toml(feed_file, Feed), read_toml(site_file, Site)

    sectors = set(feed.values.sector.values())
    for column in ("sector", "transfer_sector"):
        source = feed.source(column) if column in feed.table_columns else None
        if source and source.const and not feed.values.sector:
            sectors.add(source.const)

    assert sectors
    assert sectors <= set(site.sector_ids)


def test_every_example_file_is_paired():
    feeds, sites = set(EXAMPLES.glob("feeds/*")), set(EXAMPLES.rglob("sites/**/*.toml"))

    assert feeds == {feed for feed in SITE_OF if feed.is_relative_to(EXAMPLES)}
    assert sites == {site for site in SITE_OF.values() if site.is_relative_to(EXAMPLES)} | set(SIMULATED_SITES)


@pytest.mark.parametrize("site_file", SIMULATED_SITES, ids=lambda path: path.stem)
def test_a_site_to_simulate_is_valid_and_has_capacity_everywhere(site_file):
    site = read_toml(site_file, Site)

    assert all(sector.functional_capacity for sector in site.sectors)


def test_the_sample_year_is_the_published_file_and_is_attributed():
    digest = hashlib.sha256((SAMPLES / "skane_2017.csv.gz").read_bytes()).hexdigest()
    attribution = (SAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8")

    assert digest == "5f5825ddfec3f28672d776ca0b843404f4d7d55005234c41d63e8d05146be7c1"
    for fact in ("Andre Johansson", "TriEff", "CC BY 4.0", "Changes: converted from .rds to CSV; rows of unit E only"):
        assert fact in attribution


def test_every_code_of_the_sample_year_is_mapped():
    feed = read_toml(SAMPLES / "skane_feed.toml", Feed)

    result = check_feed(SAMPLES / "skane_2017.csv.gz", feed, read_toml(SAMPLES / "skane_site.toml", Site))

    filled = {column.column: column.filled for column in result.columns}
    assert (result.records, result.is_whole_file, result.unknown_codes) == (20_353, True, ())
    assert filled["arrival_time"] == filled["discharge_time"] == 20_353
    assert filled["admit_time"] == 5_798


def test_the_sample_year_s_triage_and_arrival_are_not_confused():
    feed = read_toml(SAMPLES / "skane_feed.toml", Feed)

    (batch,) = read_records(SAMPLES / "skane_2017.csv.gz", feed)
    mapped = map_records(batch, feed, source_sha256="abc", pseudonymiser=Pseudonymiser("k", b"key"))

    arrivals, triages = mapped["arrival_time"].to_pylist(), mapped["triage_start"].to_pylist()
    assert all(arrival <= triage for arrival, triage in zip(arrivals, triages, strict=True))
    assert len(set(mapped["encounter_id"].to_pylist())) == 20_353


def test_the_bupar_log_maps_each_activity_s_start_and_end_once():
    feed = read_toml(EXAMPLES / "feeds" / "bupar_patients.toml", Feed)

    found = mapped_events("bupar_patients_eventlog.csv.gz", feed)

    assert found == {
        "arrival": 500,
        "triage_start": 500,
        "triage_end": 500,
        "care_start": 495,
        "discharge": 492,
        "ignore": 2_955,
    }


def test_the_dirty_log_s_doubtful_codes_are_left_to_the_steward():
    feed = read_toml(EXAMPLES / "feeds" / "daqapo_dirty.toml", Feed)
    site = read_toml(EXAMPLES / "sites" / "daqapo.toml", Site)

    result = check_feed(public_file("daqapo_dirty_ed_events.csv"), feed, site)

    unknown = set(result.unknown_codes)
    assert result.records == 106
    assert unknown == {
        UnknownCode("triage_level", "7", 12),
        UnknownCode("triage_level", "0", 2),
        *(
            UnknownCode("event_type", f"{name}|{end}", 1)
            for name in ("Trage", "Triaga", "0")
            for end in ("start", "complete")
        ),
    }


def test_the_mimic_demo_has_an_arrival_where_the_emergency_department_saw_the_patient():
    feed = read_toml(EXAMPLES / "feeds" / "mimic3_demo.toml", Feed)
    site = read_toml(EXAMPLES / "sites" / "mimic3.toml", Site)

    result = check_feed(public_file("mimic3_demo_admissions.csv.gz"), feed, site, rows=200)

    filled = {column.column: column.filled for column in result.columns}
    assert (result.records, result.unknown_codes) == (129, ())
    assert filled["admit_time"] == filled["discharge_time"] == 129
    assert filled["arrival_time"] == filled["transfer_time"] == 92
    assert "" not in samples_of(result, "arrival_time")


def test_the_brazilian_visits_example_reads_latin_1_and_manchester_colours(tmp_path):
    feed = read_toml(EXAMPLES / "feeds" / "hospital_encounters.toml", Feed)
    site = read_toml(EXAMPLES / "sites" / "hospital_br.toml", Site)
    path = tmp_path / "visits.csv"
    path.write_bytes(VISITS.encode("latin-1"))

    result = check_feed(path, feed, site)

    assert samples_of(result, "arrival_time") == [
        "2026-03-01T17:05:00Z",
        "2026-03-01T18:00:10Z",
        "2026-03-01T18:30:00Z",
    ]
    assert samples_of(result, "admit_time") == ["2026-03-01T19:00:00Z"]
    assert samples_of(result, "transfer_sector") == ["ENFERMARIA"]
    assert samples_of(result, "triage_level") == ["3", "5", ""]
    assert samples_of(result, "disposition") == ["admitted", "home", "left_without_care"]
    assert result.unknown_codes == (UnknownCode("sector", "PS INFANTIL", 1), UnknownCode("triage_level", "Branco", 1))
    assert result.unmapped_columns == ("NM_PACIENTE",)


def test_the_events_example_reads_nested_keys_and_holds_an_unknown_code(tmp_path):
    feed = read_toml(EXAMPLES / "feeds" / "hospital_events.toml", Feed)
    site = read_toml(EXAMPLES / "sites" / "hospital_br.toml", Site)
    path = tmp_path / "events.ndjson"
    path.write_text(EVENTS, encoding="utf-8")

    result = check_feed(path, feed, site)

    assert samples_of(result, "event_time")[0] == "2026-03-01T17:05:00Z"
    assert samples_of(result, "event_type") == ["arrival", "triage_end", "discharge", ""]
    assert samples_of(result, "triage_level") == ["3"]
    assert samples_of(result, "disposition") == ["home"]
    assert result.unknown_codes == (UnknownCode("event_type", "Z99", 1),)
