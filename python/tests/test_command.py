"""The command that the wheel brings. These tests run in the environment into which the wheel was installed."""

import os
import subprocess
import sys

import pytest

import permacode

SCRIPT = os.path.join(os.path.dirname(sys.executable), "permacode")


def said(*command):
    return subprocess.run([*command, "--version"], check=True, capture_output=True, text=True).stdout


def test_the_script_and_the_module_are_the_same_command():
    assert said(SCRIPT).startswith("permacode ")
    assert said(sys.executable, "-I", "-m", "permacode") == said(SCRIPT)


def test_the_module_passes_arguments_and_the_exit_status():
    command = [sys.executable, "-I", "-m", "permacode", "info", "missing \n.perma"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 2
    assert "missing \\n.perma" in ran.stderr


def test_a_package_without_the_command_says_so(monkeypatch):
    import permacode.__main__ as module

    monkeypatch.setattr(module, "files", lambda name: None)
    with pytest.raises(SystemExit, match="the command is missing"):
        module.main()


def test_nothing_runs_at_start_up_unless_it_is_switched_on():
    folder = os.path.dirname(os.path.dirname(permacode.__file__))
    added = [name for name in os.listdir(folder) if name.endswith((".pth", ".start"))]
    texts = [open(os.path.join(folder, name), encoding="utf-8").read() for name in added]
    assert not [text for text in texts if "permacode" in text]
    ran = subprocess.run([sys.executable, "-c", "import sys; sys.exit('permacode' in sys.modules)"])
    assert ran.returncode == 0
