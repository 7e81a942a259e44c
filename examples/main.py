"""All examples in one application: `perdure dev examples.main:app`."""

import perdure
from examples import (
    building_blocks,
    cron,
    durable_execution,
    fan_out,
    greeter,
    human_approval,
    saga,
    virtual_object,
    workflow,
)

app = perdure.app(
    [
        greeter.greeter,
        durable_execution.subscriptions,
        building_blocks.tour,
        building_blocks.notes,
        building_blocks.lock,
        virtual_object.member,
        workflow.sign_up,
        saga.trips,
        cron.cron,
        fan_out.word_count,
        fan_out.worker,
        human_approval.expense,
    ]
)
