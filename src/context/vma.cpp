// The one place where VulkanMemoryAllocator's implementation is compiled.
#define VMA_IMPLEMENTATION
#include <vk_mem_alloc.h>
