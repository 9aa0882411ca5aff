"""Task 8, the tests: `python 8-job_test.py`. In the queue's test mode jobs are recorded, and no server is needed."""
# ruff: noqa: PT009, PT027

import importlib
import sys
import unittest
from pathlib import Path

import barq

sys.path.insert(0, str(Path(__file__).parent))
create_push_notifications_jobs = importlib.import_module("8-job").create_push_notifications_jobs

queue = barq.Queue()


class CreatePushNotificationsJobs(unittest.IsolatedAsyncioTestCase):
    def setUp(self) -> None:
        queue.test_mode.enter()

    def tearDown(self) -> None:
        queue.test_mode.clear()
        queue.test_mode.exit()

    def test_refuses_what_is_not_a_list(self) -> None:
        for jobs in ("4153518780", {"phoneNumber": "4153518780"}, None, 12):
            with self.assertRaisesRegex(TypeError, "^Jobs is not an array$"):
                create_push_notifications_jobs(jobs, queue)
        self.assertEqual(queue.test_mode.jobs, [])

    async def test_creates_a_job_for_each_item_in_order(self) -> None:
        items = [
            {"phoneNumber": "4153518780", "message": "This is the code 1234 to verify your account"},
            {"phoneNumber": "4153518781", "message": "This is the code 4562 to verify your account"},
        ]
        await create_push_notifications_jobs(items, queue)
        self.assertEqual([job.data for job in queue.test_mode.jobs], items)
        self.assertEqual([job.type for job in queue.test_mode.jobs], ["push_notification_code_3"] * 2)
        self.assertEqual([job.id for job in queue.test_mode.jobs], [1, 2])

    async def test_creates_nothing_for_an_empty_list(self) -> None:
        await create_push_notifications_jobs([], queue)
        self.assertEqual(queue.test_mode.jobs, [])


if __name__ == "__main__":
    unittest.main()
