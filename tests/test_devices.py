"""Devices, conversions and settings as programs write them."""

import copy
import pickle

import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


def test_devices(torch):
    cpu = torch.device("cpu")
    assert cpu == torch.device(type="cpu") == torch.device(cpu)
    assert repr(cpu) == "device(type='cpu')"
    assert (cpu.type, cpu.index) == ("cpu", None)
    first = torch.device("cpu:0")
    assert first == torch.device("cpu", 0) == torch.device(type="cpu", index=0)
    assert first != cpu
    assert str(first) == "cpu:0"
    assert repr(first) == "device(type='cpu', index=0)"
    assert len({cpu, first, torch.device("cpu")}) == 2
    assert pickle.loads(pickle.dumps(first)) == copy.deepcopy(first) == first
    with pytest.raises(RuntimeError):
        torch.device("nowhere")
    with pytest.raises(RuntimeError, match="Invalid device string"):
        torch.device("cpu:x")
    with pytest.raises(RuntimeError, match="index"):
        torch.device("cpu:0", 1)
    for wrong in (), (3.5,), (None,):
        with pytest.raises(TypeError):
            torch.device(*wrong)


def test_where_tensors_are_made(torch):
    with torch.device("cpu"):
        made = torch.ones(2)
    assert made.device == torch.device("cpu")
    assert made.is_cpu
    assert not made.is_cuda
    assert made.get_device() == -1
    assert torch.get_default_device() == torch.device("cpu")
    torch.set_default_device("cpu")
    assert torch.zeros(1).device.type == "cpu"
    torch.set_default_device(None)


def test_the_usual_choice_of_a_device(torch):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    assert device.type in ("cpu", "cuda")
    if device.type == "cpu":
        assert torch.cuda.device_count() == 0
        model = torch.nn.Linear(2, 1).to(device)
        assert model(torch.ones(1, 2).to(device, non_blocking=True)).device == device


def test_there_is_no_cuda():
    cuda = jitgrad.cuda
    assert not cuda.is_available()
    assert not cuda.is_initialized()
    assert cuda.device_count() == cuda.memory_allocated() == cuda.max_memory_reserved() == 0
    cuda.manual_seed(0)
    cuda.manual_seed_all(0)
    cuda.empty_cache()
    for use in (
        lambda: jitgrad.device("cuda"),
        lambda: jitgrad.device(0),
        lambda: jitgrad.ones(1).cuda(),
        lambda: jitgrad.ones(1).to("cuda:0"),
        lambda: jitgrad.ones(1, device="cuda"),
        lambda: jitgrad.set_default_device("cuda"),
        cuda.current_device,
        cuda.synchronize,
        cuda.get_device_name,
    ):
        # PyTorch raises one here and the other there
        for error in RuntimeError, AssertionError:
            with pytest.raises(error, match=r"no CUDA support.*is_available\(\)"):
                use()


def test_accelerators(torch):
    if not torch.accelerator.is_available():
        assert torch.accelerator.current_accelerator() is None
        assert torch.accelerator.device_count() == 0


def test_backends(torch):
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    assert before == (False, False)
    cudnn.deterministic, cudnn.benchmark = True, True
    assert (cudnn.deterministic, cudnn.benchmark) == (True, True)
    cudnn.deterministic, cudnn.benchmark = before
    assert cudnn.enabled
    torch.backends.cuda.matmul.allow_tf32 = False
    for backend in torch.backends.mps, torch.backends.mkl, torch.backends.openmp, cudnn:
        assert backend.is_available() in (False, True)
    assert torch.backends.mps.is_built() in (False, True)


def test_settings(torch):
    assert torch.get_num_threads() >= 1
    torch.set_num_threads(torch.get_num_threads())
    with pytest.raises(RuntimeError, match="set_num_threads expects"):
        torch.set_num_threads(0)
    with pytest.raises(RuntimeError, match="set_num_threads expects"):
        torch.set_num_threads(1.5)
    assert torch.get_num_interop_threads() >= 1
    assert torch.get_float32_matmul_precision() == "highest"
    torch.set_float32_matmul_precision("high")
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision("highest")


def test_number_of_threads_is_kept(monkeypatch):
    monkeypatch.setattr(jitgrad.config, "num_threads", 0)
    everything = jitgrad.get_num_threads()
    jitgrad.set_num_threads(everything + 1)
    assert jitgrad.get_num_threads() == jitgrad.config.num_threads == everything + 1


def test_deterministic_algorithms(torch):
    assert not torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_deterministic_debug_mode() == 2
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_deterministic_debug_mode("error")
    assert torch.get_deterministic_debug_mode() == 2
    torch.set_deterministic_debug_mode(0)
    assert not torch.are_deterministic_algorithms_enabled()
    with pytest.raises(TypeError):
        torch.use_deterministic_algorithms(1)
    with pytest.raises(RuntimeError):
        torch.set_deterministic_debug_mode("never")


def test_to(torch):
    x = torch.tensor([1.5, -2.5])
    other = torch.tensor([1], dtype=torch.int64)
    for same in (
        x.to("cpu"), x.to(torch.device("cpu")), x.to(device="cpu"), x.to(torch.float32),
        x.to(dtype=torch.float32), x.to("cpu", torch.float32), x.to(None), x.to(x),
        x.to(torch.float32, True), x.to("cpu", torch.float32, True, False), x.to(), x.cpu(),
        x.to("cpu", non_blocking=True), x.to(torch.float32, memory_format=torch.preserve_format)
        if hasattr(torch, "preserve_format") else x.to(x),
    ):  # fmt: skip
        assert same is x
    for copied in (
        x.to(torch.float32, copy=True), x.to("cpu", copy=True), x.to(x, copy=True),
        x.to(torch.float32, False, True), x.to("cpu", torch.float32, False, True),
    ):  # fmt: skip
        assert copied is not x
        assert torch.equal(copied, x)
    for whole in (
        x.to(torch.int64), x.to(other), x.to("cpu", torch.int64), x.to("cpu", dtype=torch.int64),
        x.to(device="cpu", dtype=torch.int64), x.to(None, torch.int64), x.to(other, True),
    ):  # fmt: skip
        assert whole.dtype == torch.int64
        assert whole.tolist() == [1, -2]
    assert x.to(float).dtype == torch.float64
    for wrong in (
        lambda: x.to(other, "cpu"),
        lambda: x.to("cpu", True),
        lambda: x.to(what=1),
        lambda: x.to(other=other),
    ):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(RuntimeError):
        x.to("nowhere")


def test_conversions_have_gradients(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x.to("cpu", torch.float64) * x.double() + x.half().float() * x.cpu()).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]


def test_default_dtype(torch):
    assert torch.get_default_dtype() == torch.float32
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.ones(1).dtype == torch.nn.Linear(1, 1).weight.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    with pytest.raises(TypeError, match="only floating-point types"):
        torch.set_default_dtype(torch.int64)


def test_names_of_types(torch):
    assert torch.is_tensor(torch.ones(1))
    assert torch.is_tensor(torch.nn.Parameter(torch.ones(1)))
    assert not torch.is_tensor(1)
    assert torch.typename(torch.ones(1)) == "torch.FloatTensor"
    assert torch.typename(torch.ones(1, dtype=torch.bool)) == "torch.BoolTensor"
    assert torch.typename(torch.nn.Parameter(torch.ones(1))) == "torch.FloatTensor"
    assert torch.typename(torch.nn.Linear(1, 1)) == "torch.nn.modules.linear.Linear"
    assert torch.typename(torch.nn.Linear) == "torch.nn.modules.linear.Linear"
    assert torch.typename(1) == "int"
