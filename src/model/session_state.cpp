// A session's states, as its interface has them.
#include "files/text.h"
#include "model/model.h"

namespace scandium {
namespace {

void check_slot(const Session& session, const char* call, uint32_t slot) {
    if (slot >= session.options.slots) throw FileError(format("%s: slot is %u, but the session has %u", call, slot, session.options.slots));
}

template <class F>
Result change(const Session* session, F&& work) {
    return session ? guarded(session->model->diagnostics, work) : Result::invalid_argument;
}

}  // namespace

Result reset_state(Session* session, uint32_t slot) noexcept {
    return change(session, [&] {
        check_slot(*session, "reset_state", slot);
        session->states->reset(slot);
    });
}

Result copy_state(Session* session, uint32_t from, uint32_t to) noexcept {
    return change(session, [&] {
        check_slot(*session, "copy_state", from);
        check_slot(*session, "copy_state", to);
        session->states->copy(from, to);
    });
}

size_t state_size(const Session* session) noexcept { return session ? session->states->saved_size() : 0; }

Result save_state(Session* session, uint32_t slot, void* bytes, size_t size) noexcept {
    return change(session, [&] {
        check_slot(*session, "save_state", slot);
        session->states->check_bytes("save_state", bytes, size);
        session->states->save(slot, bytes);
    });
}

Result load_state(Session* session, uint32_t slot, const void* bytes, size_t size) noexcept {
    return change(session, [&] {
        check_slot(*session, "load_state", slot);
        session->states->check_bytes("load_state", bytes, size);
        session->states->load("load_state", slot, bytes);
    });
}

}  // namespace scandium
