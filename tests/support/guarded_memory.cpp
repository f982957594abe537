#include "support/guarded_memory.h"

#include <algorithm>
#include <stdexcept>

namespace scandium::test {
namespace {

constexpr uint64_t kGuard = 64;

void extend(std::vector<uint8_t>& bytes, uint64_t size) {
    const uint64_t old = bytes.size();
    bytes.resize(size, 0xff);
    for (uint64_t i = (old + 1) / 2 * 2; i < size; i += 2) bytes[i] = 0xa5;
}

void check(Result result, const char* what) {
    if (result == Result::ok) return;
    throw std::runtime_error(std::string(what) + ": " + to_string(result) + "\n" + to_text(TestDevice::get().take_messages()));
}

}  // namespace

GuardedMemory::~GuardedMemory() {
    for (Block& block : blocks_) destroy_buffer(context_, block.buffer);
}

size_t GuardedMemory::add(const std::string& name, uint64_t bytes, uint64_t alignment) {
    if (separate_ || blocks_.empty()) blocks_.emplace_back();
    std::vector<uint8_t>& now = blocks_.back().now;
    uint64_t offset = (now.size() + kGuard + alignment - 1) / alignment * alignment;
    if (offset / alignment % 2 == 0) offset += alignment;  // kernels cannot count on a better one
    extend(now, offset + bytes + kGuard);
    blocks_.back().writable.resize(now.size(), 0);
    regions_.push_back({name, blocks_.size() - 1, offset, bytes});
    return regions_.size() - 1;
}

uint8_t* GuardedMemory::bytes(size_t region) { return blocks_[regions_[region].block].now.data() + regions_[region].offset; }

void GuardedMemory::allow(size_t region, uint64_t offset, uint64_t count) {
    Block& block = blocks_[regions_[region].block];
    const uint64_t first = regions_[region].offset + offset;
    std::fill_n(block.writable.begin() + ptrdiff_t(first), count, uint8_t(1));
}

void GuardedMemory::upload() {
    for (Block& block : blocks_) {
        if (!block.buffer) check(create_buffer(context_, block.now.size(), &block.buffer), "create_buffer");
        check(scandium::upload(context_, block.buffer, 0, block.now.data(), block.now.size()), "upload");
        block.uploaded = block.now;
    }
}

void GuardedMemory::download() {
    for (Block& block : blocks_) check(scandium::download(context_, block.buffer, 0, block.now.data(), block.now.size()), "download");
}

BufferView GuardedMemory::view(size_t region) const {
    BufferView view = scandium::view(blocks_[regions_[region].block].buffer);
    view.offset += regions_[region].offset;
    view.size = regions_[region].size;
    return view;
}

std::string GuardedMemory::damage() const {
    for (size_t b = 0; b < blocks_.size(); ++b) {
        const Block& block = blocks_[b];
        for (size_t i = 0; i < block.now.size(); ++i) {
            if (block.writable[i] || block.now[i] == block.uploaded[i]) continue;
            // The region that the byte lies in, or else the one that ends before it.
            std::string where = "the first guard";
            for (const Region& region : regions_)
                if (region.block == b && region.offset <= i)
                    where = region.name + " (" + std::to_string(region.size) + " bytes), byte " + std::to_string(i - region.offset);
            return "written where nothing may be: " + where;
        }
    }
    return {};
}

}  // namespace scandium::test
