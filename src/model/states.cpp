#include "model/states.h"

#include <algorithm>
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

void check_header(const char* call, const Header& found, const Header& expected) {
    if (std::memcmp(found.magic, expected.magic, sizeof found.magic) != 0)
        throw FileError(format("%s: the bytes are no saved state", call));
    const auto expect = [call](const char* name, uint32_t value, uint32_t wanted) {
        if (value != wanted) throw FileError(format("%s: the state's %s is %u, but the model's is %u", call, name, value, wanted));
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

}  // namespace

StateSizes state_sizes(const ModelConfig& config) {
    StateSizes sizes;
    sizes.conv = uint64_t(conv_dim(config)) * (config.conv_width - 1);
    sizes.scan = uint64_t(config.kind == ModelKind::mamba1 ? config.d_inner : config.d_ssm) * config.dstate;
    return sizes;
}

OwnedHostBuffer zeroed(const Model& model, VkDeviceSize size) {
    constexpr VkDeviceSize kPiece = 1 << 20;
    OwnedHostBuffer buffer = allocate(model.host, size, model.buffer_usage());
    const std::vector<char> zeros(static_cast<size_t>(std::min(size, kPiece)));
    for (VkDeviceSize done = 0; done < size; done += zeros.size())
        require(model.host.upload(model.host.user, buffer.get(), done, zeros.data(), std::min<VkDeviceSize>(zeros.size(), size - done)));
    return buffer;
}

States::States(const Model& model, uint32_t slots) : model_(model), slots_(slots) {
    const StateSizes sizes = state_sizes(model.config);
    for (uint32_t i = 0; i < model.config.n_layer; ++i)
        layers_.push_back({zeroed(model, sizes.conv * slots * sizeof(float)), zeroed(model, sizes.scan * slots * sizeof(float))});
    image_ = allocate(model.host, image_size(), model.buffer_usage());
}

// Between a slot and the image of one.
std::vector<HostBufferCopy> States::regions_of(uint32_t slot, bool to_image) const {
    std::vector<HostBufferCopy> regions;
    VkDeviceSize at = 0;
    for (const LayerState& layer : layers_)
        for (const OwnedHostBuffer* part : {&layer.conv, &layer.scan}) {
            const VkDeviceSize size = part->get().view.size / slots_;
            if (to_image)
                regions.push_back({part->get(), slot * size, image_.get(), at, size});
            else
                regions.push_back({image_.get(), at, part->get(), slot * size, size});
            at += size;
        }
    return regions;
}

void States::move(const std::vector<HostBufferCopy>& regions) const {
    if (!regions.empty()) require(model_.host.copy(model_.host.user, {regions.data(), regions.size()}));
}

VkDeviceSize States::image_size() const {
    const StateSizes sizes = state_sizes(model_.config);
    return (sizes.conv + sizes.scan) * model_.config.n_layer * sizeof(float);
}

void States::copy(uint32_t from, uint32_t to) const { copy(from, Span<uint32_t>(&to, 1)); }

void States::copy(uint32_t from, Span<uint32_t> to) const {
    std::vector<HostBufferCopy> regions;
    for (const LayerState& layer : layers_)
        for (const OwnedHostBuffer* part : {&layer.conv, &layer.scan}) {
            const VkDeviceSize size = part->get().view.size / slots_;
            for (size_t i = 0; i < to.size; ++i)
                if (to.data[i] != from) regions.push_back({part->get(), from * size, part->get(), to.data[i] * size, size});
        }
    move(regions);
}

void States::reset(uint32_t slot) const {
    const std::vector<char> zeros(static_cast<size_t>(image_size()));
    require(model_.host.upload(model_.host.user, image_.get(), 0, zeros.data(), zeros.size()));
    move(regions_of(slot, false));
}

size_t States::saved_size() const { return sizeof(Header) + static_cast<size_t>(image_size()); }

void States::check_bytes(const char* call, const void* bytes, size_t size) const {
    if (!bytes) throw FileError(format("%s: bytes is null", call));
    if (size != saved_size()) throw FileError(format("%s: size is %zu, but a state has %zu bytes", call, size, saved_size()));
}

void States::save(uint32_t slot, void* bytes) const {
    move(regions_of(slot, true));
    const Header header = header_of(model_.config);
    std::memcpy(bytes, &header, sizeof header);
    require(model_.host.download(model_.host.user, image_.get(), 0, static_cast<char*>(bytes) + sizeof header, image_size()));
}

void States::load(const char* call, uint32_t slot, const void* bytes) const {
    Header header;
    std::memcpy(&header, bytes, sizeof header);
    check_header(call, header, header_of(model_.config));
    require(model_.host.upload(model_.host.user, image_.get(), 0, static_cast<const char*>(bytes) + sizeof header, image_size()));
    move(regions_of(slot, false));
}

}  // namespace scandium
