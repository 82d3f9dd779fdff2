// SPDX-License-Identifier: GPL-2.0-only
/*
 * A library that has the published classes and does nothing: it is what a program
 * "linked elsewhere" was linked to.  The declarations are typed anew from the
 * specification (sections 8 and 10), so the names of the symbols are the
 * compiler's, and not those that libsqlvdi's sources have in strings.
 */
#include <stdint.h>
#include <time.h>

struct VDConfig;
struct VDC_Command;
class CVD;
class CVDS;

class ClientVirtualDevice {
public:
	ClientVirtualDevice();
	~ClientVirtualDevice();
	int GetCommand(time_t, VDC_Command **);
	int CompleteCommand(VDC_Command *, int, unsigned long, int64_t);
	CVD *cvd;
};

class ClientVirtualDeviceSet {
public:
	ClientVirtualDeviceSet();
	~ClientVirtualDeviceSet();
	int Create(char *, VDConfig *);
	int GetConfiguration(time_t, VDConfig *);
	int OpenDevice(char *, ClientVirtualDevice **);
	int Close();
	int SignalAbort();
	int OpenInSecondary(char *);
	int GetBufferHandle(uint8_t *, unsigned int *);
	int MapBufferHandle(int, uint8_t **);
	void RegisterDeviceClosed();
	CVDS *cvds;
};

ClientVirtualDevice::ClientVirtualDevice() {}
ClientVirtualDevice::~ClientVirtualDevice() {}
int ClientVirtualDevice::GetCommand(time_t, VDC_Command **) { return 1; }
int ClientVirtualDevice::CompleteCommand(VDC_Command *, int, unsigned long, int64_t) { return 1; }
ClientVirtualDeviceSet::ClientVirtualDeviceSet() {}
ClientVirtualDeviceSet::~ClientVirtualDeviceSet() {}
int ClientVirtualDeviceSet::Create(char *, VDConfig *) { return 1; }
int ClientVirtualDeviceSet::GetConfiguration(time_t, VDConfig *) { return 1; }
int ClientVirtualDeviceSet::OpenDevice(char *, ClientVirtualDevice **) { return 1; }
int ClientVirtualDeviceSet::Close() { return 1; }
int ClientVirtualDeviceSet::SignalAbort() { return 1; }
int ClientVirtualDeviceSet::OpenInSecondary(char *) { return 1; }
int ClientVirtualDeviceSet::GetBufferHandle(uint8_t *, unsigned int *) { return 1; }
int ClientVirtualDeviceSet::MapBufferHandle(int, uint8_t **) { return 1; }
void ClientVirtualDeviceSet::RegisterDeviceClosed() {}
