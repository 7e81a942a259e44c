from perdure.core.model.instants import offset_text, utc_text

MOMENT = 1_795_292_935_473


def test_a_point_in_time_is_written_with_nine_digits():
    assert utc_text(MOMENT) == "2026-11-21T20:28:55.473000000Z"


def test_a_point_in_time_is_written_with_an_offset():
    assert offset_text(MOMENT) == "2026-11-21T20:28:55.473+00:00"


def test_whole_seconds_keep_their_digits():
    assert utc_text(1000) == "1970-01-01T00:00:01.000000000Z"


def test_what_no_date_can_tell_is_written_as_the_last_one():
    assert utc_text(2**63) == "9999-12-31T23:59:59.999000000Z"
