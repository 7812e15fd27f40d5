"""unittest.main() for checks that wait more than they work: several at a time."""
import concurrent.futures
import sys
import unittest


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def run_one(test):
    result = unittest.TestResult()
    test.run(result)
    return test, result


def main(workers):
    tests = list(flatten(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])))
    if len(sys.argv) > 1:
        tests = [t for t in tests if any(word in t.id() for word in sys.argv[1:])]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for test, result in pool.map(run_one, tests):
            faults = result.failures + result.errors
            failed += bool(faults)
            print(test.id().removeprefix("__main__."), "... FAIL" if faults else "... ok")
            for _, text in faults:
                print(text)
    print(f"ran {len(tests)} checks, {failed} failed")
    sys.exit(1 if failed or not tests else 0)
