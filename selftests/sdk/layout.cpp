// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is published of the SDK's headers, typed from the specification (sections
 * 6 to 10): sizes, offsets, values, signatures.  It is compiled, not run.  It
 * includes the headers the way programs do, and leaves them their own names.
 */
#include "vdierror.h"
#include "vdi.h"
#include "vdi.h"

#include <cstddef>
#include <type_traits>

// programs define these themselves
const unsigned int INFINITE = 0xFFFFFFFF;
const int NOERROR = 0;
enum { ERROR_IO_DEVICE = 1117, ERROR_FILEMARK_DETECTED = 1101 };
#define SUCCEEDED(x) ((x) >= 0)
#define FAILED(x) ((x) < 0)
typedef int HRESULT;

#if defined(VDI_DEVICE_NODE) || defined(_LINUX_VDI_H) || defined(LIBVDI_H)
#error "the SDK's header brings in names that are not its own"
#endif
#if !defined(__vdi_h__) || !defined(VDIERROR_H_)
#error "the include guards are published too"
#endif

#define AT(type, field, offset, kind) \
	static_assert(offsetof(type, field) == (offset), #type "." #field); \
	static_assert(std::is_same<decltype(type::field), kind>::value, #type "." #field " type")
#define IS(a, b) static_assert((a) == (b), #a)

IS(sizeof(VDConfig), 44);
AT(VDConfig, deviceCount, 0, uint32_t);
AT(VDConfig, features, 4, uint32_t);
AT(VDConfig, prefixZoneSize, 8, uint32_t);
AT(VDConfig, alignment, 12, uint32_t);
AT(VDConfig, softFileMarkBlockSize, 16, uint32_t);
AT(VDConfig, EOMWarningSize, 20, uint32_t);
AT(VDConfig, serverTimeOut, 24, uint32_t);
AT(VDConfig, blockSize, 28, uint32_t);
AT(VDConfig, maxIODepth, 32, uint32_t);
AT(VDConfig, maxTransferSize, 36, uint32_t);
AT(VDConfig, bufferAreaSize, 40, uint32_t);

IS(sizeof(VDC_Command), 24);
AT(VDC_Command, commandCode, 0, int32_t);
AT(VDC_Command, size, 4, int32_t);
AT(VDC_Command, position, 8, int64_t);
AT(VDC_Command, buffer, 16, uint8_t *);

IS(sizeof(VDS_Command), 56);
AT(VDS_Command, commandCode, 0, int32_t);
AT(VDS_Command, size, 4, int32_t);
AT(VDS_Command, inPosition, 8, int64_t);
AT(VDS_Command, outPosition, 16, int64_t);
AT(VDS_Command, buffer, 24, uint8_t *);
AT(VDS_Command, completionRoutine, 32, uint8_t *);
AT(VDS_Command, completionContext, 40, uint8_t *);
AT(VDS_Command, completionCode, 48, int32_t);
AT(VDS_Command, bytesTransferred, 52, int32_t);

IS(sizeof(ClientVirtualDevice), 8);
IS(sizeof(ClientVirtualDeviceSet), 8);
static_assert(!std::is_polymorphic<ClientVirtualDevice>::value, "no virtual functions");
static_assert(!std::is_polymorphic<ClientVirtualDeviceSet>::value, "no virtual functions");
static_assert(std::is_standard_layout<ClientVirtualDeviceSet>::value, "one pointer");

IS(VDF_LikePipe, 0x0);
IS(VDF_Removable, 0x1);
IS(VDF_Rewind, 0x2);
IS(VDF_Position, 0x10);
IS(VDF_SkipBlocks, 0x20);
IS(VDF_ReversePosition, 0x40);
IS(VDF_Discard, 0x80);
IS(VDF_FileMarks, 0x100);
IS(VDF_RandomAccess, 0x200);
IS(VDF_SnapshotPrepare, 0x400);
IS(VDF_EnumFrozenFiles, 0x800);
IS(VDF_VSSWriter, 0x1000);
IS(VDF_RequestComplete, 0x2000);
IS(VDF_WriteMedia, 0x10000);
IS(VDF_ReadMedia, 0x20000);
IS(VDF_CompleteEnabled, 0x40000);
IS(VDF_LatchStats, 0x80000000);
IS(VDF_LikeTape, 0x173);
IS(VDF_LikeDisk, 0x200);
static_assert(std::is_unsigned<std::underlying_type<VDFeatures>::type>::value, "unsigned");

IS(VDC_Read, 1);
IS(VDC_Write, 2);
IS(VDC_ClearError, 3);
IS(VDC_Rewind, 4);
IS(VDC_WriteMark, 5);
IS(VDC_SkipMarks, 6);
IS(VDC_SkipBlocks, 7);
IS(VDC_Load, 8);
IS(VDC_GetPosition, 9);
IS(VDC_SetPosition, 10);
IS(VDC_Discard, 11);
IS(VDC_Flush, 12);
IS(VDC_Snapshot, 13);
IS(VDC_MountSnapshot, 14);
IS(VDC_PrepareToFreeze, 15);
IS(VDC_FileInfoBegin, 16);
IS(VDC_FileInfoEnd, 17);
IS(VDC_GetError, 18);
IS(VDC_Complete, 19);
IS(VDC_Beginning, 0);
IS(VDC_Current, 1);
IS(VDC_End, 2);
// used as types, too
static_assert(sizeof(VDCommands) == 4, "a type");
static_assert(sizeof(VDWhence) == 4, "a type");

IS(ERROR_SUCCESS, 0L);
IS(ERROR_ARENA_TRASHED, 7L);
IS(ERROR_HANDLE_EOF, 38L);
IS(ERROR_HANDLE_DISK_FULL, 39L);
IS(ERROR_NOT_SUPPORTED, 50L);
IS(ERROR_DISK_FULL, 112L);
IS(ERROR_OPERATION_ABORTED, 995L);

IS(VD_E_NOTOPEN, (int)0x80770002);
IS(VD_E_TIMEOUT, (int)0x80770003);
IS(VD_E_ABORT, (int)0x80770004);
IS(VD_E_SECURITY, (int)0x80770005);
IS(VD_E_INVALID, (int)0x80770006);
IS(VD_E_INSTANCE_NAME, (int)0x80770007);
IS(VD_E_NOTSUPPORTED, (int)0x80770009);
IS(VD_E_MEMORY, (int)0x8077000A);
IS(VD_E_UNEXPECTED, (int)0x8077000B);
IS(VD_E_PROTOCOL, (int)0x8077000C);
IS(VD_E_OPEN, (int)0x8077000D);
IS(VD_E_CLOSE, (int)0x8077000E);
IS(VD_E_BUSY, (int)0x8077000F);
IS(VD_E_QUEUE_FULL, VD_E_BUSY);
IS(VD_E_IO_ERROR, (int)0x80770010);
IS(VD_ERROR(1), (int)0x80770001);
IS(MAKE_HRESULT(0, 0, 5), 5);
static_assert(std::is_same<decltype(VD_E_CLOSE), int>::value, "compares with what methods give");

#define METHOD(class_, method, ...) \
	static_assert(std::is_same<decltype(&class_::method), __VA_ARGS__>::value, #method)
typedef ClientVirtualDeviceSet Set;
typedef ClientVirtualDevice Dev;
METHOD(Dev, GetCommand, int (Dev::*)(time_t, VDC_Command **));
METHOD(Dev, CompleteCommand, int (Dev::*)(VDC_Command *, int, unsigned long, int64_t));
METHOD(Set, Create, int (Set::*)(char *, VDConfig *));
METHOD(Set, GetConfiguration, int (Set::*)(time_t, VDConfig *));
METHOD(Set, OpenDevice, int (Set::*)(char *, ClientVirtualDevice **));
METHOD(Set, Close, int (Set::*)());
METHOD(Set, SignalAbort, int (Set::*)());
METHOD(Set, OpenInSecondary, int (Set::*)(char *));
METHOD(Set, GetBufferHandle, int (Set::*)(uint8_t *, unsigned int *));
METHOD(Set, MapBufferHandle, int (Set::*)(int, uint8_t **));
METHOD(Set, RegisterDeviceClosed, void (Set::*)());

// as in a switch over what a method gives
int layout_names(HRESULT hr)
{
	switch (hr) {
	case NOERROR: return 0;
	case VD_E_CLOSE: return 1;
	case VD_E_TIMEOUT: return 2;
	default: return SUCCEEDED(hr) + FAILED(hr) + (INFINITE == 0) + ERROR_IO_DEVICE +
			ERROR_FILEMARK_DETECTED;
	}
}
