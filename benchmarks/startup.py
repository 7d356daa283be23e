"""How long `curate --help` and `curate status` take against a bare `import typer`, medians of alternating runs."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 7
MAX_RATIO = 3.0
CURATE = str(Path(sys.executable).with_name("curate"))
HEAVY = {"torch", "fiftyone", "ultralytics", "diffusers", "openai", "sklearn", "numpy"}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def heavy_modules(arguments: list[str]) -> set[str]:
    """Give the heavy libraries that a command has loaded when it is done."""
    program = (
        "import sys\nfrom curation.cli import app\n"
        f"try: app({arguments!r}, standalone_mode=False)\nexcept SystemExit: pass\n"
        f"sys.stderr.write(' '.join({HEAVY!r} & set(sys.modules)))"
    )
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stderr.split()
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "curate.yaml").write_text("")
        commands = {"--help": [CURATE, "--help"], "status": [CURATE, "status", "-C", folder]}
        bare = [sys.executable, "-c", "import typer"]
        times: dict[str, list[float]] = {name: [] for name in ("import typer", *commands)}
        for _ in range(RUNS):
            times["import typer"].append(seconds(bare))
            for name, command in commands.items():
                times[name].append(seconds(command))
        base = statistics.median(times["import typer"])
        ratios = {name: statistics.median(values) / base for name, values in times.items()}
        for name, values in times.items():
            print(f"{name:<14} {statistics.median(values):6.2f} s   {ratios[name]:4.1f} ×")
        loaded = {name: heavy_modules(command[1:]) for name, command in commands.items()}
    worst = max(ratios.values())
    print(f"heavy libraries loaded: {', '.join(sorted(set().union(*loaded.values()))) or 'none'}")
    print(f"start-up: at most {worst:.1f} times a bare import of typer (target {MAX_RATIO:.0f})")
    return 0 if worst <= MAX_RATIO and not any(loaded.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
