"""The model is worth only as much as what it finds: each history here breaks one promise and must be found to."""

import unittest

from harness.model import SERVERFEIL, TIDSAVBRUDD, Delivery, History, judge


def accepted(*ids):
    history = History()
    for melding_id in ids:
        history.sent(melding_id, f"digest of {melding_id}")
    return history


def delivery(melding_id, redelivered=False, order=None):
    return Delivery(redelivered, f"digest of {melding_id}", order)


class Judged(unittest.TestCase):
    def found(self, history, word, **options):
        faults = judge(history, **options)
        self.assertEqual(len(faults), 1, faults)
        self.assertIn(word, faults[0])

    def test_a_clean_history_has_no_faults(self):
        history = accepted("a", "b", "c", "d")
        history.delivered("a", delivery("a", order=("s", 0)))
        history.delivered("b", delivery("b", order=("s", 1)))
        history.delivered("a", delivery("a", redelivered=True, order=("s", 0)))
        history.queued.add("c")
        history.expired.add("d")
        history.kvittering("d", TIDSAVBRUDD)
        # Its 202 was cut off: nobody was promised it, and nobody is harmed by it.
        history.delivered("unanswered", delivery("unanswered"))
        self.assertEqual(judge(history, may_expire=True), [])

    def test_an_accepted_melding_that_is_nowhere_is_lost(self):
        history = accepted("a", "b")
        history.delivered("a", delivery("a"))
        self.found(history, "lost: b")

    def test_a_second_delivery_without_a_mark_is_found(self):
        history = accepted("a")
        history.delivered("a", delivery("a"))
        history.delivered("a", delivery("a"))
        self.found(history, "twice unmarked")

    def test_a_second_delivery_without_a_mark_is_found_where_the_202_was_cut_off(self):
        history = History()
        history.delivered("a", delivery("a"))
        history.delivered("a", delivery("a"))
        self.found(history, "twice unmarked")

    def test_another_payload_is_found(self):
        history = accepted("a")
        history.delivered("a", Delivery(False, "digest of b"))
        self.found(history, "altered")

    def test_a_wrong_payload_is_found_in_a_later_delivery_too(self):
        history = accepted("a")
        history.delivered("a", delivery("a"))
        history.delivered("a", Delivery(True, "digest of nothing"))
        self.found(history, "altered")

    def test_a_dead_melding_without_serverfeil_is_found(self):
        history = accepted("a")
        history.dead.add("a")
        self.found(history, "kvittering lost", may_die=True)

    def test_an_expired_melding_without_tidsavbrudd_is_found(self):
        history = accepted("a")
        history.expired.add("a")
        history.kvittering("a", SERVERFEIL)
        self.found(history, "kvittering lost", may_expire=True, may_die=True)

    def test_a_serverfeil_without_a_reason_is_found(self):
        history = accepted("a")
        history.kvittering("a", SERVERFEIL)
        self.found(history, "given up")
        self.assertEqual(judge(history, may_die=True), [])

    def test_a_tidsavbrudd_without_a_reason_is_found(self):
        history = accepted("a")
        history.kvittering("a", TIDSAVBRUDD)
        self.found(history, "given up")

    def test_two_kvitteringer_for_one_melding_are_found(self):
        history = accepted("a")
        history.kvittering("a", SERVERFEIL)
        history.kvittering("a", SERVERFEIL)
        self.found(history, "kvittering twice", may_die=True)

    def test_an_id_given_out_twice_is_found(self):
        history = accepted("a", "a")
        history.delivered("a", delivery("a"))
        self.found(history, "twice as an id")

    def test_the_order_of_one_sender_is_kept(self):
        history = accepted("a", "b")
        history.delivered("b", delivery("b", order=("s", 1)))
        history.delivered("a", delivery("a", order=("s", 0)))
        self.found(history, "out of order")

    def test_what_comes_back_marked_is_not_out_of_order(self):
        history = accepted("a", "b")
        history.delivered("b", delivery("b", order=("s", 1)))
        history.delivered("a", delivery("a", redelivered=True, order=("s", 0)))
        self.assertEqual(judge(history), [])

    def test_a_refusal_that_the_scenario_does_not_provoke_is_found(self):
        history = accepted()
        history.refuse(500)
        self.found(history, "refused")
        self.assertEqual(judge(history, expected_refusals=(500,)), [])


if __name__ == "__main__":
    unittest.main()
