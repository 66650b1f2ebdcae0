using System.Runtime.InteropServices;

namespace FastExit.Native.Tun;

/// <summary>The system calls and numbers of <c>linux/if_tun.h</c> that Tmds.LibC lacks.</summary>
internal static unsafe partial class TunCalls
{
    public const nuint SetInterface = 0x400454ca;
    public const nuint SetOffload = 0x400454d0;
    public const nuint SetHeaderBytes = 0x400454d8;
    public const nuint SetLittleEndian = 0x400454dc;

    public const ushort Tun = 0x0001;
    public const ushort MultiQueue = 0x0100;
    public const ushort NoPacketInformation = 0x1000;
    public const ushort VirtioHeader = 0x4000;
    public const ushort Exclusive = 0x8000;

    /// <summary>0, or -errno.</summary>
    public static int Control(int fd, nuint request, void* argument) =>
        ioctl(fd, request, argument) < 0 ? -Marshal.GetLastPInvokeError() : 0;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(int fd, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "if_nametoindex", SetLastError = true,
        StringMarshalling = StringMarshalling.Utf8)]
    public static partial uint InterfaceIndex(string name);
}

/// <summary><c>struct ifreq</c> as TUNSETIFF uses it: 16 bytes of name, then the flags.</summary>
[StructLayout(LayoutKind.Sequential, Size = 40)]
internal unsafe struct InterfaceRequest
{
    public const int NameBytes = 16;

    public fixed byte Name[NameBytes];
    public ushort Flags;
}
