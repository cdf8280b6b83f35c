from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.admission.limits import LARGEST, Limit, LimitInvalidError
from schemas.decisions import Quota
from schemas.operations import OperationName

OF_REQUESTS = {Quota.REQUESTS_PER_SECOND, Quota.REQUEST_BURST}

values = st.none() | st.integers(0, LARGEST)
limits = st.one_of(
    st.builds(Limit, st.sampled_from(Quota), st.none(), values),
    st.builds(
        Limit,
        st.sampled_from([each for each in Quota if each not in OF_REQUESTS]),
        st.sampled_from(OperationName),
        values,
    ),
)


@given(limits)
def test_what_is_written_out_reads_back_as_the_same_limit(limit: Limit) -> None:
    assert Limit.parse(str(limit)) == limit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jobs_per_day", "has no '='"),
        ("jobs_per_week=3", "no quota 'jobs_per_week'; there are jobs_per_day, "),
        ("paint:jobs_per_day=3", "no operation 'paint'; there are upscale, "),
        (":jobs_per_day=3", "no operation ''"),
        ("jobs_per_day=-1", "from 0 to"),
        ("jobs_per_day=", "whole number"),
        ("jobs_per_day=1.5", "whole number"),
        ("jobs_per_day=1e3", "whole number"),
        ("jobs_per_day=١", "whole number"),
        ("jobs_per_day=1000000000000001", "from 0 to 1000000000000000"),
        ("jobs_per_day=" + "9" * 5000, "whole number"),
        ("upscale:requests_per_second=3", "of no operation"),
    ],
)
def test_what_is_no_limit_is_refused_with_what_can_be_written(text: str, words: str) -> None:
    with pytest.raises(LimitInvalidError, match=words):
        Limit.parse(text)
