"""The SQL conditions for finished and unfinished orders."""

from shared.events import OrderState
from shared.registry.order_states import FINISHED, sql_finished, sql_unfinished
from shared.store import migrations


def test_finished_and_unfinished_name_every_final_state_and_no_other() -> None:
    named = {state for state in OrderState if f"'{state}'" in sql_finished()}

    assert named == FINISHED
    assert sql_unfinished("o.state") == sql_finished("o.state").replace(" IN ", " NOT IN ")


def test_the_partial_indexes_of_unfinished_orders_have_the_same_condition() -> None:
    indexes = next(each.sql for each in migrations.known() if each.name == "order_states")

    assert indexes.count(f"WHERE {sql_unfinished()};") == 3
