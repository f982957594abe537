// The one place where VulkanMemoryAllocator's implementation is compiled.
#define VMA_IMPLEMENTATION
#include <volk.h>
//
#include <vk_mem_alloc.h>
