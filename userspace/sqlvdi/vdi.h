/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The Virtual Device Interface for backup programs: the client's classes, over
 * /dev/vdi.  Names, values, layouts and symbols are those of the public Linux
 * client SDK, so that programs written for it need no change; sqlvdi(7) tells
 * what is the same and what differs.  New programs may like libvdi(7) better.
 *
 * Methods give 0, or a negative number of <vdierror.h>.  Timeouts are in
 * milliseconds; every negative one, and 0xFFFFFFFF, waits for ever.  C programs
 * see the structures only.
 */
#ifndef __vdi_h__
#define __vdi_h__

#include <stdint.h>
#include <time.h>

/* Completion codes */
#define ERROR_SUCCESS			0L
#define ERROR_ARENA_TRASHED		7L
#define ERROR_HANDLE_EOF		38L	/* Read: no more data */
#define ERROR_HANDLE_DISK_FULL		39L
#define ERROR_NOT_SUPPORTED		50L	/* a command that the client does not know */
#define ERROR_DISK_FULL			112L
#define ERROR_OPERATION_ABORTED		995L

/*
 * The SDK leaves these out, so programs have definitions of their own.  Ours are
 * for those who ask.
 */
#ifdef SQLVDI_ALL_CODES
#define ERROR_INVALID_HANDLE		6L
#define ERROR_END_OF_MEDIA		1100L	/* Write: stored, the medium is nearly full */
#define ERROR_FILEMARK_DETECTED		1101L	/* Read: a filemark was reached */
#define ERROR_NO_DATA_DETECTED		1104L	/* Read: no more data */
#define ERROR_IO_DEVICE			1117L
#define ERROR_EOM_OVERFLOW		1129L	/* Write: beyond the end of the medium */
#define ERROR_NO_SYSTEM_RESOURCES	1450L
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* VDConfig.features */
enum VDFeatures {
	VDF_LikePipe		= 0x0,		/* sequential, the least */
	VDF_Removable		= 0x1,		/* Load */
	VDF_Rewind		= 0x2,
	VDF_Position		= 0x10,		/* GetPosition, SetPosition */
	VDF_SkipBlocks		= 0x20,
	VDF_ReversePosition	= 0x40,		/* negative counts in Skip* */
	VDF_Discard		= 0x80,
	VDF_FileMarks		= 0x100,	/* WriteMark, SkipMarks */
	VDF_RandomAccess	= 0x200,	/* a position in each Read and Write */
	VDF_SnapshotPrepare	= 0x400,	/* PrepareToFreeze */
	VDF_EnumFrozenFiles	= 0x800,
	VDF_VSSWriter		= 0x1000,
	VDF_RequestComplete	= 0x2000,	/* asks for Complete */
	/* by the server */
	VDF_WriteMedia		= 0x10000,	/* there will be Writes: a backup */
	VDF_ReadMedia		= 0x20000,	/* there will be Reads */
	VDF_CompleteEnabled	= 0x40000,	/* there will be a Complete */
	VDF_LatchStats		= 0x80000000,
	/* kinds of devices */
	VDF_LikeTape		= VDF_FileMarks | VDF_Removable | VDF_Rewind |
				  VDF_Position | VDF_SkipBlocks | VDF_ReversePosition,
	VDF_LikeDisk		= VDF_RandomAccess
};

/* VDC_Command.commandCode */
enum VDCommands {
	VDC_Read = 1,
	VDC_Write,
	VDC_ClearError,
	VDC_Rewind,
	VDC_WriteMark,
	VDC_SkipMarks,
	VDC_SkipBlocks,
	VDC_Load,
	VDC_GetPosition,
	VDC_SetPosition,
	VDC_Discard,
	VDC_Flush,
	VDC_Snapshot,
	VDC_MountSnapshot,
	VDC_PrepareToFreeze,
	VDC_FileInfoBegin,
	VDC_FileInfoEnd,
	VDC_GetError,
	VDC_Complete
};

/* The size of a SetPosition to a random access device: where it counts from */
enum VDWhence {
	VDC_Beginning,
	VDC_Current,
	VDC_End
};

#pragma pack(push, 8)

struct VDConfig {
	uint32_t deviceCount;		/* 1..64; must be set */
	uint32_t features;		/* the client's, then with the server's bits */
	uint32_t prefixZoneSize;	/* bytes before the data of each buffer */
	uint32_t alignment;		/* of the data; 0: the server chooses */
	uint32_t softFileMarkBlockSize;
	uint32_t EOMWarningSize;
	uint32_t serverTimeOut;		/* ms; 0: none */
	/* by the server; not looked at in Create */
	uint32_t blockSize;
	uint32_t maxIODepth;		/* always 4 */
	uint32_t maxTransferSize;
	uint32_t bufferAreaSize;
};

/* What GetCommand gives: to be read, and to be passed to CompleteCommand */
struct VDC_Command {
	int32_t commandCode;		/* enum VDCommands */
	int32_t size;			/* bytes; or a count, or what the command says */
	int64_t position;
	uint8_t *buffer;		/* of a Read or Write */
};

/* The server's form of it, which no method of a client uses */
struct VDS_Command {
	int32_t commandCode;
	int32_t size;
	int64_t inPosition;
	int64_t outPosition;
	uint8_t *buffer;
	uint8_t *completionRoutine;
	uint8_t *completionContext;
	int32_t completionCode;
	int32_t bytesTransferred;
};

#pragma pack(pop)

#ifdef __cplusplus

class CVDS;
class CVD;

/* One device.  It belongs to its set: it is of no use after the set's Close. */
class ClientVirtualDevice {
public:
	ClientVirtualDevice();
	~ClientVirtualDevice();

	/* VD_E_CLOSE is the normal end and comes again if asked again. */
	int GetCommand(time_t timeOut, VDC_Command **ppCmd);
	/* In any order; bytesTransferred counts for Read and Write only. */
	int CompleteCommand(VDC_Command *pCmd, int completionCode,
			    unsigned long bytesTransferred, int64_t position);

private:
	friend class ClientVirtualDeviceSet;

	CVD *cvd;
};

/* The client's side of a set; not to be copied. */
class ClientVirtualDeviceSet {
public:
	ClientVirtualDeviceSet();
	~ClientVirtualDeviceSet();

	int Create(char *name, VDConfig *cfg);
	int GetConfiguration(time_t timeout, VDConfig *cfg);
	/* The first device has the name of the set. */
	int OpenDevice(char *name, ClientVirtualDevice **ppVirtualDevice);
	/* VD_E_OPEN reports that devices were open; everything is released. */
	int Close(void);
	int SignalAbort(void);
	/* Joins a set that another process has made, and that is configured. */
	int OpenInSecondary(char *setName);
	/* Name a buffer to another process that has the set open. */
	int GetBufferHandle(uint8_t *pBuffer, unsigned int *pBufferHandle);
	int MapBufferHandle(int dwBuffer, uint8_t **ppBuffer);
	/* Does nothing; it is part of the published class. */
	void RegisterDeviceClosed(void);

private:
	CVDS *cvds;
};

#endif /* __cplusplus */

#ifdef __cplusplus
}
#endif

#endif /* __vdi_h__ */
