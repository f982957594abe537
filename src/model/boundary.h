// Where exceptions end: inside the models' library, errors in files are thrown; its interface returns a Result.
#pragma once

#include <exception>
#include <new>

#include "core/diagnostics.h"
#include "model/config.h"

namespace scandium {

// What the host or the library returned, and has told of already.
struct ResultError : std::exception {
    explicit ResultError(Result why) : result(why) {}
    const char* what() const noexcept override { return to_string(result); }
    Result result;
};
inline void require(Result result) {
    if (result != Result::ok) throw ResultError(result);
}

template <class F>
Result guarded(const Diagnostics& diagnostics, F&& work) noexcept {
    try {
        work();
        return Result::ok;
    } catch (const ResultError& error) {
        return error.result;
    } catch (const UnsupportedError& error) {
        return diagnostics.fail(Result::unsupported, "%s", error.what());
    } catch (const FileError& error) {
        return diagnostics.fail(Result::invalid_argument, "%s", error.what());
    } catch (const std::bad_alloc&) {
        return diagnostics.fail(Result::out_of_host_memory, "out of memory");
    } catch (const std::exception& error) {
        return diagnostics.fail(Result::internal_error, "unexpected: %s", error.what());
    }
}

}  // namespace scandium
