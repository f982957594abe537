// States: copied from slot to slot, and as bytes.
#include <cstring>

#include "files/text.h"
#include "model/model.h"

namespace scandium {
namespace {

// What a saved state begins with. Then, for each layer: the convolution's last inputs, the scan's state.
struct Header {
    char magic[8] = {'S', 'C', 'D', 'S', 'T', 'A', 'T', 'E'};
    uint32_t version = 1;
    uint32_t kind = 0, n_layer = 0, conv_dim = 0, conv_width = 0, channels = 0, dstate = 0, nheads = 0;
};

Header header_of(const ModelConfig& config) {
    Header header;
    header.kind = static_cast<uint32_t>(config.kind);
    header.n_layer = config.n_layer;
    header.conv_dim = conv_dim(config);
    header.conv_width = config.conv_width;
    header.channels = config.kind == ModelKind::mamba1 ? config.d_inner : config.d_ssm;
    header.dstate = config.dstate;
    header.nheads = config.nheads;
    return header;
}

void check_header(const Header& found, const Header& expected) {
    if (std::memcmp(found.magic, expected.magic, sizeof found.magic) != 0) throw FileError("load_state: the bytes are no saved state");
    const auto expect = [](const char* name, uint32_t value, uint32_t wanted) {
        if (value != wanted) throw FileError(format("load_state: the state's %s is %u, but the model's is %u", name, value, wanted));
    };
    expect("version", found.version, expected.version);
    expect("kind", found.kind, expected.kind);
    expect("number of layers", found.n_layer, expected.n_layer);
    expect("number of the convolution's channels", found.conv_dim, expected.conv_dim);
    expect("conv_width", found.conv_width, expected.conv_width);
    expect("number of channels", found.channels, expected.channels);
    expect("dstate", found.dstate, expected.dstate);
    expect("nheads", found.nheads, expected.nheads);
}

void check_slot(const Session& session, const char* call, uint32_t slot) {
    if (slot >= session.options.slots) throw FileError(format("%s: slot is %u, but the session has %u", call, slot, session.options.slots));
}

// Between a slot and the image of one.
std::vector<HostBufferCopy> regions_of(const Session& session, uint32_t slot, bool to_image) {
    std::vector<HostBufferCopy> regions;
    VkDeviceSize at = 0;
    for (const LayerState& layer : session.layers)
        for (const OwnedHostBuffer* part : {&layer.conv, &layer.scan}) {
            const VkDeviceSize size = part->get().view.size / session.options.slots;
            if (to_image)
                regions.push_back({part->get(), slot * size, session.image.get(), at, size});
            else
                regions.push_back({session.image.get(), at, part->get(), slot * size, size});
            at += size;
        }
    return regions;
}

void copy(const Session& session, const std::vector<HostBufferCopy>& regions) {
    const ModelHost& host = session.model->host;
    require(host.copy(host.user, {regions.data(), regions.size()}));
}

VkDeviceSize image_size(const Session& session) {
    const StateSizes sizes = state_sizes(session.model->config);
    return (sizes.conv + sizes.scan) * session.model->config.n_layer * sizeof(float);
}

template <class F>
Result change(const Session* session, F&& work) {
    return session ? guarded(session->model->diagnostics, work) : Result::invalid_argument;
}

void check_bytes(const Session& session, const char* call, const void* bytes, size_t size) {
    if (!bytes) throw FileError(format("%s: bytes is null", call));
    if (size != state_size(&session))
        throw FileError(format("%s: size is %zu, but a state has %zu bytes", call, size, state_size(&session)));
}

}  // namespace

Result reset_state(Session* session, uint32_t slot) noexcept {
    return change(session, [&] {
        check_slot(*session, "reset_state", slot);
        const std::vector<char> zeros(static_cast<size_t>(image_size(*session)));
        const ModelHost& host = session->model->host;
        require(host.upload(host.user, session->image.get(), 0, zeros.data(), zeros.size()));
        copy(*session, regions_of(*session, slot, false));
    });
}

Result copy_state(Session* session, uint32_t from, uint32_t to) noexcept {
    return change(session, [&] {
        check_slot(*session, "copy_state", from);
        check_slot(*session, "copy_state", to);
        if (from == to) return;
        std::vector<HostBufferCopy> regions;
        for (const LayerState& layer : session->layers)
            for (const OwnedHostBuffer* part : {&layer.conv, &layer.scan}) {
                const VkDeviceSize size = part->get().view.size / session->options.slots;
                regions.push_back({part->get(), from * size, part->get(), to * size, size});
            }
        copy(*session, regions);
    });
}

size_t state_size(const Session* session) noexcept { return session ? sizeof(Header) + static_cast<size_t>(image_size(*session)) : 0; }

Result save_state(Session* session, uint32_t slot, void* bytes, size_t size) noexcept {
    return change(session, [&] {
        check_slot(*session, "save_state", slot);
        check_bytes(*session, "save_state", bytes, size);
        copy(*session, regions_of(*session, slot, true));
        const Header header = header_of(session->model->config);
        std::memcpy(bytes, &header, sizeof header);
        const ModelHost& host = session->model->host;
        require(host.download(host.user, session->image.get(), 0, static_cast<char*>(bytes) + sizeof header, image_size(*session)));
    });
}

Result load_state(Session* session, uint32_t slot, const void* bytes, size_t size) noexcept {
    return change(session, [&] {
        check_slot(*session, "load_state", slot);
        check_bytes(*session, "load_state", bytes, size);
        Header header;
        std::memcpy(&header, bytes, sizeof header);
        check_header(header, header_of(session->model->config));
        const ModelHost& host = session->model->host;
        require(host.upload(host.user, session->image.get(), 0, static_cast<const char*>(bytes) + sizeof header, image_size(*session)));
        copy(*session, regions_of(*session, slot, false));
    });
}

}  // namespace scandium
