"""Bugs that people really shipped, a folder each. To add one: write the folder, name it here.

May import: all that orderings are made of, the shipped ones, and what is explored.
"""

from chunk7.field_cases import (
    ask_o11y_46,
    assistant_ui_5515,
    atproto_906,
    channels_1683,
    codeframe_757,
    deer_flow_3932,
    deer_flow_4011,
    dify_40948,
    graphql_redis_598,
    jac_7487,
    kestra_16651,
    librechat_13117,
    mastra_18409,
    open_webui_28910,
    openslides_5290,
    python_socketio_1581,
    queryapi_558,
    satpulse_267,
    socketio_5419,
    stackexchange_redis_1110,
    term_llm_455,
)
from chunk7.simulator.explore.field_case import FieldCase

FIELD_CASES: dict[str, FieldCase] = {
    case.name: case
    for case in (
        codeframe_757.CASE,
        kestra_16651.CASE,
        satpulse_267.CASE,
        mastra_18409.CASE,
        ask_o11y_46.CASE,
        dify_40948.CASE,
        deer_flow_4011.CASE,
        open_webui_28910.CASE,
        python_socketio_1581.CASE,
        openslides_5290.CASE,
        channels_1683.CASE,
        graphql_redis_598.CASE,
        stackexchange_redis_1110.CASE,
        queryapi_558.CASE,
        socketio_5419.CASE,
        atproto_906.CASE,
        librechat_13117.CASE,
        assistant_ui_5515.CASE,
        jac_7487.CASE,
        term_llm_455.CASE,
        deer_flow_3932.CASE,
    )
}
"""In the order in which they are told: from who comes first to what is stored, and the end."""
