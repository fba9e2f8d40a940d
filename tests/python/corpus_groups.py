"""Small functions for the comparison with CPython: `except*` and exception groups."""

# ruff: noqa
# fmt: off
import sys


def _group():
    return ExceptionGroup("g", [
        ValueError(1), TypeError("t"),
        ExceptionGroup("inner", [ValueError(2), OSError("o"), KeyError("k")]),
    ])


def _shape(error):
    if isinstance(error, BaseExceptionGroup):
        return type(error).__name__, error.message, [_shape(e) for e in error.exceptions]
    return repr(error)


def _current(log):
    log.append(_shape(sys.exc_info()[1]))


def split(log):
    try:
        raise _group()
    except* ValueError as e:
        log.append(_shape(e))
        _current(log)
    except* (TypeError, OSError) as e:
        log.append(_shape(e))
    except* KeyError:
        _current(log)
    else:
        log.append("never")
    finally:
        log.append("finally")
    _current(log)
    try:
        e
    except NameError as error:
        log.append(str(error))


def rest_leaves(log):
    try:
        raise _group()
    except* ValueError as e:
        log.append(_shape(e))


def nothing_matches(log):
    try:
        raise _group()
    except* ZeroDivisionError:
        log.append("never")
    except* UnicodeError:
        log.append("never")


def nothing_raised(log):
    try:
        log.append("body")
    except* ValueError:
        log.append("never")
    else:
        log.append("else")
    finally:
        log.append("finally")


def naked(log):
    try:
        raise ValueError("naked")
    except* ValueError as e:
        log.append((_shape(e), e.__traceback__ is None))
        _current(log)
    try:
        raise ValueError("other")
    except* TypeError:
        log.append("never")


def naked_raised_again(log):
    try:
        raise ValueError("naked")
    except* ValueError:
        raise


def raise_in_clauses(log):
    try:
        raise _group()
    except* ValueError:
        raise KeyError("new")
    except* TypeError as e:
        raise LookupError("second") from e
    except* OSError:
        log.append("fine")


def raise_again(log):
    try:
        raise _group()
    except* ValueError:
        raise
    except* TypeError as e:
        raise e
    except* OSError:
        raise


def raise_one_of_many(log):
    try:
        raise _group()
    except* Exception as e:
        raise e.exceptions[0]


def shapes(log):
    def attempt(*actions):
        try:
            try:
                raise _group()
            except* ValueError as e:
                actions[0](e)
            except* TypeError as e:
                actions[1](e)
            except* OSError as e:
                actions[2](e)
        except BaseException as error:
            log.append((_shape(error), error.__context__ is not None, repr(error.__cause__)))
            context = error.__context__
            log.append(context and _shape(context))
        else:
            log.append("passed")
    def passing(e): pass
    def again(e): raise
    def itself(e): raise e
    def new(e): raise RuntimeError("new")
    def caused(e): raise RuntimeError("caused") from e
    def group(e): raise ExceptionGroup("another", [RuntimeError("x"), *e.exceptions])
    for first in passing, again, itself, new, caused, group:
        for second in passing, again, new:
            attempt(first, second, passing)
            attempt(first, second, again)


def base_groups(log):
    try:
        raise BaseExceptionGroup("base", [KeyboardInterrupt(), ValueError(1)])
    except* KeyboardInterrupt as e:
        log.append(_shape(e))
    except* Exception as e:
        log.append(_shape(e))
    try:
        raise KeyboardInterrupt("naked")
    except* BaseException as e:
        log.append(_shape(e))


def subclasses(log):
    class G(ExceptionGroup):
        def derive(self, exceptions):
            log.append(("derive", len(exceptions)))
            return G(self.message, exceptions)
    try:
        raise G("mine", [ValueError(1), TypeError(2), KeyError(3)])
    except* ValueError as e:
        log.append((type(e).__name__, _shape(e)))
    except* TypeError:
        raise


def notes(log):
    error = _group()
    error.add_note("a note")
    try:
        try:
            raise error
        except* ValueError as e:
            log.append(e.__notes__)
            e.add_note("more")
            raise
    except ExceptionGroup as e:
        log.append((e.__notes__, [getattr(x, "__notes__", None) for x in e.exceptions]))


def bad_types(log):
    for bad in 5, (ValueError, 5), ExceptionGroup, (ValueError, BaseExceptionGroup), "text":
        try:
            try:
                raise _group()
            except* bad:
                log.append("never")
        except TypeError as error:
            log.append((str(error), _shape(error.__context__)))
    try:
        raise _group()
    except* ExceptionGroup:
        pass


def types_are_evaluated(log):
    def kind(value):
        log.append(value.__name__)
        return value
    try:
        raise ValueError(1)
    except* kind(ValueError):
        log.append("caught")
    except* kind(TypeError):
        log.append("never")
    try:
        pass
    except* kind(ValueError):
        pass
    try:
        raise ValueError(1)
    except* kind(KeyError).missing:
        pass


def nested(log):
    try:
        try:
            raise _group()
        except* ValueError as e:
            log.append(_shape(e))
            try:
                raise e
            except* ValueError as inner:
                log.append(_shape(inner))
    except* TypeError as e:
        log.append(_shape(e))
        _current(log)


def nested_in_except(log):
    try:
        raise KeyError("outer")
    except KeyError:
        try:
            raise _group()
        except* (ValueError, TypeError, OSError) as e:
            log.append(_shape(e.__context__))
            _current(log)
        _current(log)


def in_loop(log):
    for i in range(3):
        try:
            if i:
                raise ExceptionGroup("g", [ValueError(i), KeyError(i)])
        except* ValueError as e:
            log.append(_shape(e))
            for x in range(3):
                if x:
                    break
        except* KeyError:
            def f(): return i
            log.append(f())
        else:
            log.append("else")
            continue
        finally:
            log.append(i)


def captured_name(log):
    try:
        raise _group()
    except* ValueError as e:
        f = lambda: _shape(e)
        log.append(f())
    except* Exception as e:
        log.append(f())
    return f()


def in_generator(log):
    def g():
        try:
            yield 1
        except* ValueError as e:
            log.append(_shape(e))
            got = yield 2
            _current(log)
            log.append(got)
        except* KeyError as e:
            log.append(_shape(e))
            yield 3
        yield 4
    it = g()
    next(it)
    log.append(it.throw(ExceptionGroup("thrown", [ValueError(1), KeyError(2)])))
    log.append(it.send("sent"))
    log.append(next(it))
    it.throw(ValueError("out"))


def traceback_of_group(log):
    def deep():
        raise _group()
    try:
        deep()
    except* ValueError:
        1 // 0


def finally_around(log):
    try:
        raise _group()
    except* ValueError:
        log.append("values")
    except* TypeError:
        raise RuntimeError("clause")
    finally:
        _current(log)
