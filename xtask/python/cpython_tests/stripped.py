"""Differences in the outcomes of CPython's tests on a library without docstrings, lines and signatures.

CPython has the same tests with the same sources on the other side, so each test here asks for a part that was
stripped. Any other difference fails the run.
"""

from explained import Entry

DOCTEST = "the doctests of a library without docstrings are gone"
#: Doctests are named after the object with the docstring. Other tests have names that start with `test.`.
GONE = ["absent, but ok", "absent, but ok ok"]
DOCSTRING = "the test asks for a docstring of the library or of the test file itself"
#: Some tests notice that docstrings were stripped.
DIFFERENT = ["failure, but ok", "skipped, but ok"]
LINE = "the test compares line numbers or source lines of a traceback, of a stack or in a repr"
#: Up to 3.9, each instruction gets the first line of its function. From 3.10 on, it has no line.
WRONG = ["failure, but ok", "error, but ok"]

STRIPPED = [
    Entry("3.*", "test_json", ["json", "json.*"], GONE, DOCTEST),
    Entry("3.*", "test_typing", ["typing.*"], GONE, DOCTEST),
    Entry("3.*", "test_typing", ["test.test_typing.NoDefaultTests.test_doc"], DIFFERENT, DOCSTRING),
    Entry("3.*", "test_dataclasses", ["test.test_dataclasses.TestDocString.test_existing_docstring_not_overridden"],
          DIFFERENT, DOCSTRING),
    # Later versions have it as a package.
    Entry("3.*", "test_inspect",
          [module + name for module in ("test.test_inspect.", "test.test_inspect.test_inspect.")
           for name in ("TestRetrievingSourceCode.test_getdoc", "TestRetrievingSourceCode.test_getdoc_inherited",
                        "TestBuggyCases.test_class_inside_conditional",
                        "TestSignatureDefinitions.test_base_class_have_text_signature")],
          DIFFERENT, DOCSTRING),
    Entry("3.*", "test_asyncio",
          ["test.test_asyncio.test_events.HandleTests.test_handle_repr_debug",
           "test.test_asyncio.test_events.HandleTests.test_handle_source_traceback",
           "test.test_asyncio.test_events.TimerTests.test_timer_repr_debug",
           "test.test_asyncio.test_futures.*FutureTests.test_copy_state",
           "test.test_asyncio.test_futures.*FutureTests.test_future_source_traceback",
           "test.test_asyncio.test_futures2.*FutureTests.test_future_traceback",
           "test.test_asyncio.test_tasks.*Task*Tests.test_cancel_traceback_for_future_exception",
           "test.test_asyncio.test_tasks.*Task*Tests.test_cancel_traceback_for_future_result",
           "test.test_asyncio.test_tasks.*Task*Tests.test_coroutine_never_yielded",
           "test.test_asyncio.test_tasks.*Task*Tests.test_get_stack",
           "test.test_asyncio.test_tasks.*Task*Tests.test_task_repr",
           "test.test_asyncio.test_tasks.*Task*Tests.test_task_source_traceback"],
          WRONG, LINE),
]
