"""Many threads and one archive."""

SCRIPT = """
import sys, threading, permacode
archive = permacode.open(sys.argv[1])
names = list(archive)
sys.setswitchinterval(1e-6)
threads, made, failed = 8, {}, []
barrier = threading.Barrier(threads)

def load(number):
    try:
        barrier.wait()
        # Not all in the same order, so that both happen: two make the same thing, and two make different ones.
        order = names if number % 2 else names[::-1]
        made[number] = {name: archive.code(name, "/folder") for name in order}
    except BaseException as error:
        failed.append(error)
        raise

running = [threading.Thread(target=load, args=(number,)) for number in range(threads)]
[thread.start() for thread in running]
[thread.join() for thread in running]
assert not failed, failed
assert len(made) == threads
first = made.pop(0)
assert first.keys() == set(names)
for other in made.values():
    assert other == first
print(len(first))
"""

CLOSING = """
import sys, threading, permacode
sys.setswitchinterval(1e-6)
for _ in range(100):
    archive = permacode.open(sys.argv[1])
    names = list(archive)
    barrier = threading.Barrier(3)
    loaded, refused = [], []

    def load():
        barrier.wait()
        for name in names * 5:
            try:
                loaded.append(archive[name].co_name)
            except ValueError as error:
                assert "closed" in str(error)
                refused.append(error)

    running = [threading.Thread(target=load) for _ in range(2)]
    [thread.start() for thread in running]
    barrier.wait()
    archive.close()
    [thread.join() for thread in running]
    assert len(loaded) + len(refused) == 2 * 5 * len(names), (len(loaded), len(refused))
print("all")
"""


def test_they_load_the_same_library_at_once(child, library):
    assert int(child(SCRIPT, library)) > 200


def test_they_load_the_same_modules_at_once(child, tree):
    assert int(child(SCRIPT, tree.archive)) == len(tree.files)


def test_one_closes_while_others_load(child, tree):
    assert child(CLOSING, tree.archive).strip() == "all"
