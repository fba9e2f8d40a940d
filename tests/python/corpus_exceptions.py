"""Small functions for the comparison with CPython: exceptions. Each logs its effects."""

# ruff: noqa
# fmt: off
import sys
import traceback


class _Error(Exception):
    pass


def _say(log, value):
    log.append(value)
    return value


def _fail(log, kind=ValueError):
    log.append("fail")
    raise kind("failed")


def _current(log):
    kind, value, tb = sys.exc_info()
    log.append((kind and kind.__name__, str(value), tb is not None))


def try_except(log):
    try:
        _fail(log)
    except KeyError:
        log.append("wrong")
    except (TypeError, ValueError) as error:
        log.append(str(error))
    else:
        log.append("else")
    return "after"


def try_else(log):
    try:
        log.append("body")
    except ValueError:
        log.append("never")
    else:
        log.append("else")
    finally:
        log.append("finally")


def try_else_raises(log):
    try:
        pass
    except ValueError:
        log.append("never")
    else:
        raise ValueError("else")
    finally:
        log.append("finally")


def try_finally_raises(log):
    try:
        _fail(log)
    finally:
        log.append("finally")


def try_unmatched(log):
    try:
        _fail(log)
    except KeyError:
        log.append("never")


def try_bare(log):
    try:
        _fail(log)
    except:
        _current(log)
    _current(log)


def try_name_unbound(log):
    e = 5
    try:
        _fail(log)
    except ValueError as e:
        pass
    return e


def try_name_rebound(log):
    try:
        _fail(log)
    except ValueError as e:
        e = 7
        log.append(e)
        del e
    try:
        e
    except NameError as f:
        log.append(str(f))


def try_name_in_cell(log):
    try:
        _fail(log)
    except ValueError as e:
        f = lambda: str(e)
        log.append(f())
    return f()


def raise_class(log):
    raise _Error


def raise_instance(log):
    raise _Error("message", 1)


def raise_from(log):
    try:
        _fail(log)
    except ValueError as error:
        raise _Error("new") from error


def raise_from_none(log):
    try:
        _fail(log)
    except ValueError:
        raise _Error("new") from None


def raise_from_class(log):
    raise _Error("new") from KeyError


def raise_not_an_exception(log):
    raise 5


def raise_from_not_an_exception(log):
    raise _Error from 5


def raise_nothing(log):
    raise


def raise_order(log):
    raise _say(log, _Error("a")) from _say(log, KeyError("b"))


def raise_in_handler(log):
    try:
        _fail(log)
    except ValueError:
        raise _Error("context")


def raise_in_finally(log):
    try:
        _fail(log)
    finally:
        raise _Error("finally")


def error_in_handler(log):
    try:
        {}["missing"]
    except KeyError:
        try:
            1 / 0
        except ZeroDivisionError:
            [][5]


def context_is_cleared(log):
    try:
        _fail(log)
    except ValueError:
        pass
    raise _Error("no context")


def reraise(log):
    try:
        _fail(log)
    except ValueError:
        log.append("seen")
        raise


def reraise_in_callee(log):
    def again():
        raise

    try:
        _fail(log)
    except ValueError:
        again()


def reraise_name(log):
    try:
        _fail(log)
    except ValueError as e:
        raise e


def reraise_after_inner(log):
    try:
        _fail(log)
    except ValueError:
        try:
            raise KeyError("inner")
        except KeyError:
            _current(log)
        _current(log)
        raise


def reraise_stored(log):
    stored = None
    try:
        _fail(log)
    except ValueError as e:
        stored = e
    log.append("between")
    raise stored


def exc_info_states(log):
    _current(log)
    try:
        _fail(log)
    except ValueError:
        _current(log)
        try:
            _fail(log, KeyError)
        except KeyError:
            _current(log)
        finally:
            _current(log)
        _current(log)
    _current(log)
    try:
        try:
            _fail(log, TypeError)
        finally:
            _current(log)
    except TypeError:
        pass
    _current(log)


def exc_info_in_loop(log):
    for i in range(3):
        try:
            if i == 1:
                _fail(log)
            _current(log)
        except ValueError:
            _current(log)
            continue
        _current(log)
    for i in range(3):
        try:
            _fail(log)
        except ValueError:
            _current(log)
            break
    _current(log)


def exc_info_after_return(log):
    def f():
        try:
            _fail(log)
        except ValueError:
            _current(log)
            return 5

    r = f()
    _current(log)
    return r


def finally_return(log):
    def f():
        try:
            return _say(log, "try")
        finally:
            log.append("finally")

    def g():
        try:
            return "try"
        finally:
            return "finally"

    def h():
        try:
            _fail(log)
        finally:
            return "swallowed"

    return f(), g(), h()


def finally_return_value_is_fixed(log):
    x = 1
    try:
        return x
    finally:
        x = 2
        log.append(x)


def finally_loops(log):
    for i in range(5):
        try:
            if i == 1:
                continue
            if i == 3:
                break
            log.append(i)
        finally:
            log.append(("finally", i))
    while True:
        try:
            raise ValueError
        except ValueError:
            break
        finally:
            log.append("last")
    for i in range(3):
        try:
            _fail(log)
        finally:
            continue
    for i in range(3):
        try:
            _fail(log)
        finally:
            break
    return i


def finally_nested(log):
    try:
        try:
            try:
                return _say(log, "value")
            finally:
                log.append(1)
        finally:
            log.append(2)
            try:
                raise KeyError
            except KeyError:
                log.append("inner")
    finally:
        log.append(3)


def finally_overrides_error(log):
    try:
        try:
            _fail(log)
        finally:
            raise KeyError("second")
    except KeyError as error:
        log.append(type(error.__context__).__name__)
    _current(log)


def finally_with_functions(log):
    try:
        f = lambda: 1
    finally:
        g = lambda: f() + 1
        h = [x for x in range(3)]
    return g(), h


def handler_return(log):
    for i in range(3):
        try:
            _fail(log)
        except ValueError as e:
            if i == 1:
                return str(e), i
            continue
        finally:
            log.append(i)


def handler_type_is_evaluated(log):
    def kinds(k):
        log.append(k.__name__)
        return k

    try:
        _fail(log)
    except kinds(KeyError):
        pass
    except (kinds(TypeError), kinds(IndexError)):
        pass
    except kinds(ValueError):
        log.append("here")
    except kinds(OSError):
        pass


def handler_bad_type(log):
    try:
        _fail(log)
    except 5:
        pass


def handler_bad_type_in_tuple(log):
    try:
        _fail(log)
    except (KeyError, "x"):
        pass


def handler_type_raises(log):
    try:
        _fail(log)
    except undefined_error:
        pass


def traceback_lines(log):
    try:
        log.append(1)
        _fail(
            log,
        )
    except ValueError as e:
        log.append([(f.name, f.lineno, f.line) for f in traceback.extract_tb(e.__traceback__)])


def traceback_text(log):
    def deep(n):
        if n:
            return deep(n - 1) + 0
        return {}[n]

    try:
        deep(2)
    except KeyError:
        log.append(traceback.format_exc())


def traceback_of_comprehension(log):
    try:
        list(x / 0 for x in [1])
    except ZeroDivisionError as e:
        log.append([(f.name, f.line) for f in traceback.extract_tb(e.__traceback__)])


def exception_in_argument(log):
    return _say(log, 1) + _fail(log) + _say(log, 2)


def exception_keeps_state(log):
    x = 1
    try:
        x = 2
        x = _fail(log)
    except ValueError:
        return x


def exception_in_unpack_keeps_state(log):
    a, b = 1, 2
    try:
        a, b = [3]
    except ValueError:
        return a, b


def exception_in_for_keeps_state(log):
    def g():
        yield 1
        raise KeyError("g")

    i = "before"
    try:
        for i in g():
            pass
    except KeyError:
        return i


def nested_handlers(log):
    try:
        try:
            _fail(log)
        except KeyError:
            log.append("no")
        finally:
            log.append("inner finally")
    except ValueError as e:
        log.append("outer")
        try:
            raise _Error("x") from e
        except _Error as f:
            log.append((f.__cause__ is e, f.__context__ is e))
    finally:
        log.append("outer finally")


def stop_iteration_from_next(log):
    it = iter([])
    try:
        next(it)
    except StopIteration:
        log.append("stopped")
    return next(it, "default")


def system_exit(log):
    try:
        sys.exit(3)
    except SystemExit as e:
        return e.code


def exception_groups_pass_through(log):
    try:
        raise ExceptionGroup("g", [ValueError(1)])
    except ExceptionGroup as g:
        return len(g.exceptions)


def deep_context(log):
    def chain(n):
        try:
            if n == 0:
                raise KeyError("root")
            chain(n - 1)
        except KeyError as e:
            raise KeyError(f"level {n}")

    chain(3)


def recursion(log):
    def forever(n):
        return forever(n + 1)

    try:
        forever(0)
    except RecursionError as e:
        return str(e)


def handler_in_callee_of_handler(log):
    def callee():
        _current(log)
        try:
            raise KeyError("callee")
        except KeyError:
            _current(log)
        _current(log)
        raise IndexError("new")

    try:
        _fail(log)
    except ValueError:
        try:
            callee()
        except IndexError as e:
            log.append(repr(e.__context__))
        _current(log)


def notes(log):
    try:
        _fail(log)
    except ValueError as e:
        e.add_note("hint")
        log.append(e.__notes__)
        e.__traceback__ = None
        log.append(e.with_traceback(None) is e)


def assign_context_by_hand(log):
    a, b = ValueError("a"), KeyError("b")
    a.__context__ = b
    try:
        raise a
    except ValueError as e:
        log.append(repr(e.__context__))
        _current(log)
        log.append(repr(e.__context__))
    raise a


def cycle_of_contexts(log):
    try:
        try:
            raise _Error("a")
        except _Error as a:
            first = a
            try:
                raise _Error("b")
            except _Error as b:
                second = b
                try:
                    raise _Error("c")
                except _Error as c:
                    third = c
                    first.__context__ = third
                    raise third
    except _Error:
        pass
    log.append((third.__context__ is second, second.__context__ is first))
    log.append(first.__context__ is third)
    first.__context__ = None
