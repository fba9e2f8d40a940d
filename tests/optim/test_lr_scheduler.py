"""Every scheduler against PyTorch's over 60 epochs; states; what constructors refuse."""

import math
import pickle
import warnings

import pytest

import jitgrad
from jitgrad.optim import lr_scheduler
from tests.optim.algorithms import errors_of_both

# nested schedulers are told the wrong order when they are made, in PyTorch, too
WARNED = pytest.mark.filterwarnings("ignore:Detected call")


class Halving:
    """A callable object, whose state is saved."""

    def __init__(self):
        self.factor = 0.5

    def __call__(self, epoch):
        return self.factor**epoch


SCHEDULERS = {
    "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
    "lambdas": lambda s, o: s.LambdaLR(o, [lambda epoch: 0.9**epoch, lambda epoch: 1 + epoch]),
    "lambda object": lambda s, o: s.LambdaLR(o, Halving()),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 1 - 1 / (2 + epoch)),
    "step": lambda s, o: s.StepLR(o, 7, 0.5),
    "milestones": lambda s, o: s.MultiStepLR(o, [3, 3, 20, 41], 0.3),
    "constant": lambda s, o: s.ConstantLR(o, 0.25, 8),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 0.9, 13),
    "linear default": lambda s, o: s.LinearLR(o),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.93),
    "polynomial": lambda s, o: s.PolynomialLR(o, 25, 2.0),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 12, 0.003),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 4, 2, 0.001),
    "even restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 7, 5, cycle_momentum=True),
    "cyclic 2": lambda s, o: s.CyclicLR(o, 0.01, [0.2, 0.3], 7, mode="triangular2"),
    "cyclic exp": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 7, mode="exp_range", gamma=0.97),
    "cyclic own": lambda s, o: s.CyclicLR(
        o, 0.01, 0.2, 7, scale_fn=lambda x: 1 / x, cycle_momentum=False
    ),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.5, 60),
    "one cycle linear": lambda s, o: s.OneCycleLR(
        o, [0.5, 0.7], epochs=6, steps_per_epoch=10, anneal_strategy="linear", pct_start=0.25
    ),
    "one cycle in three": lambda s, o: s.OneCycleLR(o, 0.5, 61, three_phase=True),
    "one cycle alone": lambda s, o: s.OneCycleLR(o, 0.5, 60, cycle_momentum=False),
    "sequential": lambda s, o: s.SequentialLR(
        o,
        [s.LinearLR(o, 0.1, 1.0, 5), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 20)],
        [5, 20],
    ),
    "sequential steps": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, 10), s.StepLR(o, 3, 0.5), s.PolynomialLR(o, 30)], [10, 30]
    ),
    "chained": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 10), s.ExponentialLR(o, 0.9), s.MultiStepLR(o, [30])]
    ),
    "chain of sequences": lambda s, o: s.SequentialLR(
        o,
        [
            s.ChainedScheduler([s.LinearLR(o), s.ExponentialLR(o, 0.9)]),
            s.CosineAnnealingWarmRestarts(o, 6),
        ],
        [12],
    ),
}
JUMPING = [name for name in SCHEDULERS if not name.startswith(("sequential", "chain"))]
PLATEAUS = [
    {},
    {"mode": "max", "patience": 2},
    {"factor": 0.5, "patience": 3, "cooldown": 4, "min_lr": [0.004, 0.0]},
    {"threshold": 0.01, "threshold_mode": "abs", "patience": 0, "eps": 0.001},
    {"mode": "max", "threshold": 0.1, "threshold_mode": "abs", "patience": 1},
]


def optimizer_of(library, kind="SGD", **options):
    params = [library.zeros(2, requires_grad=True), library.zeros(3, requires_grad=True)]
    if kind == "SGD":
        options.setdefault("momentum", 0.9)
    groups = [{"params": [params[0]]}, {"params": [params[1]], "lr": 0.02}]
    return getattr(library.optim, kind)(groups, lr=0.1, **options)


def options_of(optimizer):
    names = ("lr", "momentum", "betas", "initial_lr", "max_lr", "min_lr")
    return [
        {name: group[name] for name in names if name in group} for group in optimizer.param_groups
    ]


def run(optimizer, scheduler, count, rates=None):
    rates = [] if rates is None else rates
    for _ in range(count):
        rates.append((options_of(optimizer), list(scheduler.get_last_lr())))
        optimizer.step()
        scheduler.step()
    return rates


@WARNED
@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_equals_torch(name, kind):
    torch = pytest.importorskip("torch")
    rates = []
    for library in (jitgrad, torch):
        optimizer = optimizer_of(library, kind)
        scheduler = SCHEDULERS[name](library.optim.lr_scheduler, optimizer)
        rates.append(run(optimizer, scheduler, 60))
    ours, theirs = rates
    for mine, other in zip(ours, theirs):
        for own, expected in zip(mine[0], other[0]):
            assert list(own) == list(expected)
            for key in expected:
                assert own[key] == pytest.approx(expected[key], rel=1e-12, abs=1e-15)
        assert mine[1] == pytest.approx(other[1], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateau_equals_torch(options):
    torch = pytest.importorskip("torch")
    rates = []
    for library in (jitgrad, torch):
        optimizer = optimizer_of(library)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        found = []
        for epoch in range(60):
            scheduler.step(library.tensor(math.cos(epoch / 4) + (epoch % 7) / 10))
            found.append([*scheduler.get_last_lr(), scheduler.num_bad_epochs, scheduler.best])
        rates.append(found)
    assert rates[0] == rates[1]


@WARNED
@pytest.mark.parametrize("name", SCHEDULERS)
def test_resumes_from_its_state(name):
    optimizer = optimizer_of(jitgrad)
    scheduler = SCHEDULERS[name](lr_scheduler, optimizer)
    rates = run(optimizer, scheduler, 23)
    saved = pickle.loads(pickle.dumps((scheduler.state_dict(), optimizer.state_dict())))
    rates = run(optimizer, scheduler, 30, rates)

    other = optimizer_of(jitgrad)
    resumed = SCHEDULERS[name](lr_scheduler, other)
    resumed.load_state_dict(saved[0])
    other.load_state_dict(saved[1])
    assert run(other, resumed, 30) == rates[23:]


@WARNED
@pytest.mark.parametrize("name", SCHEDULERS)
def test_states_have_torch_s_entries(name):
    torch = pytest.importorskip("torch")
    states = []
    for library in (jitgrad, torch):
        optimizer = optimizer_of(library)
        scheduler = SCHEDULERS[name](library.optim.lr_scheduler, optimizer)
        run(optimizer, scheduler, 17)
        states.append(scheduler.state_dict())
    ours, theirs = states
    assert set(ours) == set(theirs)
    # and torch's state moves ours to the same place
    optimizer = optimizer_of(jitgrad)
    scheduler = SCHEDULERS[name](lr_scheduler, optimizer)
    scheduler.load_state_dict(theirs)
    assert scheduler.get_last_lr() == pytest.approx(theirs["_last_lr"])


@pytest.mark.parametrize(
    "name", ["lambda", "step", "milestones", "exponential", "cosine", "linear", "polynomial"]
)
def test_begins_later(name):
    torch = pytest.importorskip("torch")
    makers = {
        "lambda": lambda s, o: s.LambdaLR(o, lambda epoch: 1 / (1 + epoch), 5),
        "step": lambda s, o: s.StepLR(o, 7, 0.5, 5),
        "milestones": lambda s, o: s.MultiStepLR(o, [6, 10], 0.5, 5),
        "exponential": lambda s, o: s.ExponentialLR(o, 0.9, 5),
        "cosine": lambda s, o: s.CosineAnnealingLR(o, 10, 0.0, 5),
        "linear": lambda s, o: s.LinearLR(o, 0.1, 1.0, 10, 5),
        "polynomial": lambda s, o: s.PolynomialLR(o, 12, 2.0, 5),
    }
    rates = []
    for library in (jitgrad, torch):
        optimizer = optimizer_of(library)
        for group in optimizer.param_groups:
            group["initial_lr"] = 0.3
        scheduler = makers[name](library.optim.lr_scheduler, optimizer)
        rates.append([each[1] for each in run(optimizer, scheduler, 20)])
    assert rates[0] == [pytest.approx(each, rel=1e-12) for each in rates[1]]


@pytest.mark.parametrize("epoch", [0, 4, 13, 30])
@pytest.mark.parametrize("name", JUMPING)
def test_jumps(name, epoch):
    torch = pytest.importorskip("torch")
    rates = []
    for library in (jitgrad, torch):
        optimizer = optimizer_of(library)
        scheduler = SCHEDULERS[name](library.optim.lr_scheduler, optimizer)
        run(optimizer, scheduler, 3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step(epoch)
        rates.append([each[1] for each in run(optimizer, scheduler, 5)])
    assert rates[0] == [pytest.approx(each, rel=1e-12) for each in rates[1]]


def test_stored_rates():
    """What PyTorch 2.13 gives, for where it is missing."""
    expected = {
        "step": [0.1] * 7 + [0.05] * 3,
        "linear": [0.01, 0.01615385, 0.02230769, 0.02846154, 0.03461538],
        "cosine": [0.1, 0.0983474, 0.09350223, 0.08579468, 0.07575, 0.06405272],
        "one cycle": [0.02, 0.02408646, 0.03620666, 0.05594789],
    }
    for name, rates in expected.items():
        optimizer = optimizer_of(jitgrad)
        found = run(optimizer, SCHEDULERS[name](lr_scheduler, optimizer), len(rates))
        assert [each[1][0] for each in found] == pytest.approx(rates, rel=1e-5)


def test_tensors_keep_their_identity():
    rate = jitgrad.tensor(0.1)
    optimizer = jitgrad.optim.SGD([jitgrad.zeros(1, requires_grad=True)], lr=rate)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    first = scheduler.get_last_lr()
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.05)
    assert first[0].item() == pytest.approx(0.1)
    assert scheduler.base_lrs[0].item() == pytest.approx(0.1)


def test_warns_of_the_wrong_order():
    optimizer = optimizer_of(jitgrad)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"before `optimizer.step\(\)`"):
        scheduler.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()
    with pytest.warns(UserWarning, match="epoch parameter"):
        scheduler.step(3)
    optimizer = optimizer_of(jitgrad)
    scheduler = lr_scheduler.StepLR(optimizer, 2)
    optimizer.step()
    scheduler.step()  # and no warning, which would be an error here


ERRORS = [
    lambda s, o: s.StepLR(None, 1),
    lambda s, o: s.StepLR(o(), 1, last_epoch=3),
    lambda s, o: s.LambdaLR(o(), [lambda epoch: 1]),
    lambda s, o: s.MultiplicativeLR(o(), [lambda epoch: 1]),
    lambda s, o: s.ConstantLR(o(), 2.0),
    lambda s, o: s.LinearLR(o(), 0),
    lambda s, o: s.LinearLR(o(), 1, 2),
    lambda s, o: s.CosineAnnealingWarmRestarts(o(), 0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o(), 1, 0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o(), 2).step(-1),
    lambda s, o: s.CyclicLR(o(), 0.1, 0.2, mode="a"),
    lambda s, o: s.CyclicLR(o("Adagrad"), 0.1, 0.2),
    lambda s, o: s.CyclicLR(o(), [0.1, 0.1, 0.1], 0.2),
    lambda s, o: s.OneCycleLR(o(), 0.1),
    lambda s, o: s.OneCycleLR(o(), 0.1, -1),
    lambda s, o: s.OneCycleLR(o(), 0.1, epochs=2),
    lambda s, o: s.OneCycleLR(o(), 0.1, epochs=2, steps_per_epoch=-1),
    lambda s, o: s.OneCycleLR(o(), 0.1, 10, pct_start=2),
    lambda s, o: s.OneCycleLR(o(), 0.1, 10, anneal_strategy="q"),
    lambda s, o: s.OneCycleLR(o("Adagrad"), 0.1, 10),
    lambda s, o: s.OneCycleLR(o(), [0.1], 10),
    lambda s, o: run(*(lambda opt: (opt, s.OneCycleLR(opt, 0.1, 3)))(o()), 5),
    lambda s, o: s.ReduceLROnPlateau(o(), factor=1.0),
    lambda s, o: s.ReduceLROnPlateau(o(), mode="x"),
    lambda s, o: s.ReduceLROnPlateau(o(), threshold_mode="x"),
    lambda s, o: s.ReduceLROnPlateau(o(), min_lr=[0.1]),
    lambda s, o: s.ReduceLROnPlateau(None),
    lambda s, o: s.SequentialLR(o(), [], []),
    lambda s, o: (lambda opt: s.SequentialLR(opt, [s.StepLR(opt, 1)], [1]))(o()),
    lambda s, o: s.SequentialLR(o(), [s.StepLR(o(), 1)], []),
    lambda s, o: (lambda opt: s.SequentialLR(opt, [s.ReduceLROnPlateau(opt)], []))(o()),
    lambda s, o: s.ChainedScheduler([]),
    lambda s, o: s.ChainedScheduler([s.StepLR(o(), 1), s.StepLR(o(), 1)]),
    lambda s, o: (lambda opt: s.ChainedScheduler([s.ReduceLROnPlateau(opt)]))(o()),
    lambda s, o: s.LRScheduler(o()),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_refuses(number):
    errors_of_both(
        lambda library: ERRORS[number](
            library.optim.lr_scheduler, lambda *kind: optimizer_of(library, *kind)
        )
    )


def test_a_scheduler_of_the_user_s():
    class Falling(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base / (1 + self.last_epoch) for base in self.base_lrs]

    optimizer = optimizer_of(jitgrad)
    scheduler = Falling(optimizer)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == pytest.approx([0.05, 0.01])
