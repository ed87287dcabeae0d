"""RAPL counters and the Raspberry Pi's firmware."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler import vcgencmd
from sampler.rapl import NoRapl, RaplSource, mean_power
from sampler.throttling import ThrottlingSensor
from sampler.vcgencmd import NoFirmware, PmicSource, parse_rails, parse_throttled
from tests.sampler.fakes import SetClock
from tests.sampler.monitors import write_chip, write_class

# --- RAPL ------------------------------------------------------------------------------------------

MOST = 262143328850
"""µJ at which a package's counter wraps"""


def zone(sysfs: Path, number: str, name: str, energy: int = 1000) -> Path:
    return write_class(
        sysfs,
        "powercap",
        f"intel-rapl:{number}",
        name=name,
        energy_uj=energy,
        max_energy_range_uj=MOST,
    )


def test_power_is_the_energy_between_two_reads(tmp_path: Path) -> None:
    clock = SetClock()
    package = zone(tmp_path, "0", "package-0")
    zone(tmp_path, "0:0", "core", 7)
    write_class(tmp_path, "powercap", "intel-rapl-mmio:0", name="package-0", energy_uj=1000)
    write_class(tmp_path, "powercap", "intel-rapl", enabled=1)
    sensor = RaplSource(tmp_path, clock)
    assert sensor.read() is None
    clock.go_on(5)
    (package / "energy_uj").write_text("40001000\n")
    source = sensor.read()
    assert source is not None
    assert source == ("rapl", 8.0, None, None, True)


def test_a_counter_may_wrap(tmp_path: Path) -> None:
    clock = SetClock()
    package = zone(tmp_path, "0", "package-0", MOST - 20_000_000)
    sensor = RaplSource(tmp_path, clock)
    sensor.read()
    clock.go_on(5)
    (package / "energy_uj").write_text("20000000\n")
    source = sensor.read()
    assert source is not None
    assert source.power == pytest.approx(8.0)


def test_time_asleep_is_not_part_of_the_divisor(tmp_path: Path) -> None:
    clock = SetClock()
    package = zone(tmp_path, "0", "package-0")
    sensor = RaplSource(tmp_path, clock)
    sensor.read()
    clock.go_on(5)
    clock.asleep += 8 * 3600
    (package / "energy_uj").write_text("900001000\n")
    assert sensor.read() is None
    clock.go_on(5)
    (package / "energy_uj").write_text("940001000\n")
    source = sensor.read()
    assert source is not None
    assert source.power == pytest.approx(8.0)


def test_packages_are_summed_and_all_of_them_are_needed(tmp_path: Path) -> None:
    clock = SetClock()
    packages = [zone(tmp_path, str(number), f"package-{number}") for number in (0, 1)]
    sensor = RaplSource(tmp_path, clock)
    sensor.read()
    for energy, power in ((5_001_000, 2.0), (10_001_000, 2.0)):
        clock.go_on(5)
        for package in packages:
            (package / "energy_uj").write_text(f"{energy}\n")
        source = sensor.read()
        assert source is not None
        assert source.power == pytest.approx(power)
    clock.go_on(5)
    (packages[1] / "energy_uj").unlink()
    assert sensor.read() is None


def test_the_whole_platform_is_preferred(tmp_path: Path) -> None:
    clock = SetClock()
    zone(tmp_path, "0", "package-0")
    platform = zone(tmp_path, "1", "psys")
    sensor = RaplSource(tmp_path, clock)
    sensor.read()
    clock.go_on(5)
    (platform / "energy_uj").write_text("25001000\n")
    source = sensor.read()
    assert source is not None
    assert (source.name, source.power) == ("rapl:psys", 5.0)


def test_without_permission_the_reason_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, "0", "package-0")

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(path)

    with monkeypatch.context() as patched:
        patched.setattr("os.open", refuse)  # the tests may run as root, who may read it
        with pytest.raises(NoRapl, match="only root"):
            RaplSource(tmp_path, SetClock())


def test_a_machine_without_rapl(tmp_path: Path) -> None:
    with pytest.raises(NoRapl, match="no energy counter"):
        RaplSource(tmp_path, SetClock())


@pytest.mark.parametrize("text", ["", "nan", "-5", "1e9", "9" * 30, "0x10"])
def test_a_counter_that_is_not_a_number(tmp_path: Path, text: str) -> None:
    clock = SetClock()
    package = zone(tmp_path, "0", "package-0")
    sensor = RaplSource(tmp_path, clock)
    sensor.read()
    clock.go_on(5)
    (package / "energy_uj").write_text(text)
    assert sensor.read() is None
    clock.go_on(5)
    (package / "energy_uj").write_text("40001000\n")
    assert sensor.read() is None  # the difference would cover a span that was not measured


@given(
    st.integers(-(1 << 64), 1 << 64),
    st.none() | st.integers(0, 1 << 64),
    st.floats(1e-6, 1e6),
)
def test_power_is_within_what_a_machine_can_do(difference: int, most: int | None, seconds: float) -> None:
    watts = mean_power(difference, most, seconds)
    assert watts is None or 0 <= watts <= 500


# --- the PMIC --------------------------------------------------------------------------------------

RAILS = """\
     3V7_WL_SW_A current(0)=0.08490000A
       3V3_SYS_A current(1)=0.06343000A
       1V8_SYS_A current(2)=0.16882000A
      DDR_VDD2_A current(3)=0.00390240A
      DDR_VDDQ_A current(4)=0.00000000A
       1V1_SYS_A current(5)=0.18149000A
        0V8_SW_A current(6)=0.31129000A
      VDD_CORE_A current(7)=1.54489000A
      3V3_DAC_A current(17)=0.00012210A
      3V3_ADC_A current(18)=0.00048840A
     HDMI_A current(22)=0.01538000A
     3V7_WL_SW_V volt(8)=3.70810600V
       3V3_SYS_V volt(9)=3.30960400V
       1V8_SYS_V volt(10)=1.79878000V
      DDR_VDD2_V volt(11)=1.10622300V
      DDR_VDDQ_V volt(12)=0.60780050V
       1V1_SYS_V volt(13)=1.10585700V
        0V8_SW_V volt(14)=0.80329560V
      VDD_CORE_V volt(15)=0.87512800V
      3V3_DAC_V volt(20)=3.30714000V
      3V3_ADC_V volt(21)=3.30531000V
      HDMI_V volt(23)=5.10224000V
     EXT5V_V volt(24)=5.14120000V
      BATT_V volt(25)=0.00683760V
"""
"""Like the firmware's answer: different indices for A and V, and two voltages without a current."""


def test_the_rails_are_summed() -> None:
    source = PmicSource({"pmic_read_adc": RAILS}.get).read()
    assert source is not None
    assert source.power == pytest.approx(2.72, abs=0.02)
    assert (source.name, source.voltage, source.current, source.estimate) == ("pmic", 5.1412, None, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        'error=1 error_msg="Command not registered"',  # a Pi 4
        RAILS.replace("VDD_CORE_V", "VDD_GORE_V"),
        RAILS.replace("_A current", "_X current"),
        RAILS.replace("1.54489000A", "9999A"),
    ],
)
def test_if_a_rail_is_missing_there_is_no_sum(text: str) -> None:
    assert parse_rails(text) is None


@given(st.text(max_size=200) | st.sampled_from(RAILS.splitlines()).map(lambda line: line * 3))
def test_any_answer_of_the_firmware(text: str) -> None:
    for parsed in (parse_rails(text), parse_rails(RAILS + text)):
        assert parsed is None or 0 <= parsed.power <= 500
    assert parse_throttled(text) is None


# --- vcgencmd itself -------------------------------------------------------------------------------


def make_program(directory: Path, script: str, mode: int = 0o755) -> Path:
    program = directory / "vcgencmd"
    program.write_text(script)
    program.chmod(mode)
    return program


def test_the_program_really_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_program(tmp_path, '#!/bin/sh\necho "throttled=0x5000$#"\n')
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert vcgencmd.find(Path("/sys"), tmp_path)("get_throttled") == "throttled=0x50001\n"
    with pytest.raises(NoFirmware, match=str(tmp_path)):  # it is not used with another sysfs
        vcgencmd.find(tmp_path, tmp_path)
    with pytest.raises(NoFirmware, match="no /nowhere/vcio"):
        vcgencmd.find(Path("/sys"), Path("/nowhere/vcio"))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(NoFirmware, match="vcgencmd was not found"):
        vcgencmd.find(Path("/sys"), tmp_path)


def test_a_program_that_fails_or_hangs(tmp_path: Path) -> None:
    for script in ("exit 1", "echo throttled=0x1; exit 3", "exec sleep 600", "kill -9 $$"):
        program = make_program(tmp_path, f"#!/bin/sh\n{script}\n")
        assert vcgencmd.ask(str(program), "get_throttled", 0.2) is None, script
    assert vcgencmd.ask(str(make_program(tmp_path, "#!/bin/sh\n", 0o644)), "get_throttled") is None


# --- throttling ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("throttled=0x0\n", ()),
        ("throttled=0x50000\n", ()),  # since boot, but not now
        ("throttled=0x50005\n", ("undervoltage", "throttled")),
        ("throttled=0xe000e", ("frequency-capped", "throttled", "soft-temperature-limit")),
        ("throttled=0xF", ("undervoltage", "frequency-capped", "throttled", "soft-temperature-limit")),
        ("throttled=", None),
        ("throttled=5", None),
        ("", None),
    ],
)
def test_only_present_limits_are_reported(text: str, reasons: tuple[str, ...] | None) -> None:
    assert parse_throttled(text) == reasons


@pytest.mark.parametrize(
    ("alarm", "reasons"), [("0", ()), ("1", ("undervoltage",)), ("", None), ("2", None), ("\\0", None)]
)
def test_the_alarm_of_rpi_volt(tmp_path: Path, alarm: str, reasons: tuple[str, ...] | None) -> None:
    write_chip(tmp_path, 0, "cpu_thermal")
    write_chip(tmp_path, 1, "rpi_volt", in0_lcrit_alarm=alarm)
    assert ThrottlingSensor(tmp_path, SetClock().monotonic).read() == reasons


def test_the_alarm_is_read_each_time_and_the_firmware_once_a_minute(tmp_path: Path) -> None:
    chip = write_chip(tmp_path, 1, "rpi_volt", in0_lcrit_alarm=0)
    asked: list[str] = []
    clock = SetClock()
    answers = iter(["throttled=0x4", "throttled=0x0"])

    def ask(question: str) -> str:
        asked.append(question)
        return next(answers)

    sensor = ThrottlingSensor(tmp_path, clock.monotonic, ask)
    assert sensor.read() == ("throttled",)
    (chip / "in0_lcrit_alarm").write_text("1\n")
    assert sensor.read() == ("undervoltage", "throttled")
    assert asked == ["get_throttled"]
    clock.go_on(60)
    assert sensor.read() == ("undervoltage",)


def test_a_machine_that_does_not_report_throttling(tmp_path: Path) -> None:
    write_chip(tmp_path, 0, "acpitz")
    sensor = ThrottlingSensor(tmp_path, SetClock().monotonic)
    assert not sensor.tells
    assert sensor.read() is None
