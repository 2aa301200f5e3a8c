"""The address of the form of a new job like an earlier one."""

from urllib.parse import parse_qs, urlsplit

import attrs

from rendertrust.job_spec import JobSpec
from web.console.job_again import address_of

SPEC = JobSpec(
    "render",
    "s3://a/b",
    params={"width": 640, "height": 360, "format": "JPEG", "noisy": True},
    frames="2-5,7-10",
    manifest="s3://a/c",
    queue=True,
    or_newer=True,
)


def test_the_form_keeps_the_settings_of_the_job() -> None:
    found = parse_qs(urlsplit(address_of(SPEC, "a b.blend")).query)
    expected = {"payload_ref": "s3://a/b", "manifest": "s3://a/c", "width": "640", "height": "360"}
    expected |= {"format": "JPEG", "pool": "any", "priority": "normal", "order": "sequential"}
    expected |= {
        "type": "render",
        "what": "some",
        "frames": "2-5,7-10",
        "queue": "on",
        "or_newer": "on",
    }
    expected |= {"scene_name": "a b.blend"}
    assert found == {name: [value] for name, value in expected.items()}


def test_a_named_job_keeps_its_name() -> None:
    found = parse_qs(urlsplit(address_of(attrs.evolve(SPEC, name="cathedral"), None)).query)
    assert found["name"] == ["cathedral"]
    assert "scene_name" not in found
