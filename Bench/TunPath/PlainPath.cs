using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using FastExit.Native.Netlink;
using FastExit.Native.Sockets;
using static Tmds.Linux.LibC;

namespace FastExit.Bench.TunPath;

/// <summary>
/// The loop that a TUN program usually is: one packet per <c>read(2)</c>, one per <c>write(2)</c>, no header that would let the host
/// leave it large packets. It judges and changes nothing, so it is the fastest of its kind.
/// </summary>
internal sealed unsafe partial class PlainPath(int core) : ForwardingPath("plain", core)
{
    private const nuint SetInterface = 0x400454ca;
    private const ushort TunWithoutInformation = 0x1001;
    private const int InterfaceRequestBytes = 40;
    private const int FlagsOffset = 16;

    // Packets of one direction before the other has its turn.
    private const int PacketsInARow = 64;

    private readonly byte[] _packet = GC.AllocateArray<byte>(65536, pinned: true);
    private int _left = -1;
    private int _right = -1;
    private long _packets;
    private long _dropped;
    private long _calls;

    protected override void Open()
    {
        _left = OpenDevice(Network.Left, PathNetwork.LeftHost);
        _right = OpenDevice(Network.Right, PathNetwork.RightHost);
    }

    protected override void Turn()
    {
        int carried = Carry(_left, _right) + Carry(_right, _left);
        if (carried > 0)
            return;
        WaitReadable(_left, _right);
        _calls++;
    }

    protected override void Close()
    {
        _ = close(_left);
        _ = close(_right);
    }

    protected override (long Packets, long Dropped, long SystemCalls) Count() => (_packets, _dropped, _calls);

    private int Carry(int from, int to)
    {
        fixed (byte* packet = _packet)
        {
            int carried = 0;
            while (carried < PacketsInARow)
            {
                _calls++;
                nint bytes = read(from, packet, _packet.Length);
                if (bytes <= 0)
                    break;
                _calls++;
                if (write(to, packet, (nuint)bytes) != bytes)
                    _dropped++;
                carried++;
            }

            _packets += carried;
            return carried;
        }
    }

    private static int OpenDevice(NetworkNamespace space, IPAddress host) => space.Run(() =>
    {
        int device;
        fixed (byte* path = "/dev/net/tun\0"u8)
            device = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (device < 0)
            throw new NativeException("opening /dev/net/tun", errno, "`modprobe tun`, and run as root.");
        byte* request = stackalloc byte[InterfaceRequestBytes];
        new Span<byte>(request, InterfaceRequestBytes).Clear();
        Encoding.ASCII.GetBytes("plain", new Span<byte>(request, FlagsOffset));
        *(ushort*)(request + FlagsOffset) = TunWithoutInformation;
        if (ioctl(device, SetInterface, request) < 0)
            throw new NativeException("creating the TUN device", Marshal.GetLastPInvokeError(), "Run as root.");
        using var netlink = new RouteNetlink();
        PathNetwork.Configure(netlink.GetLink("plain").Index, host);
        return device;
    });

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(int fd, nuint request, void* argument);

    [LibraryImport("libc")]
    private static partial nint read(int fd, byte* target, nint bytes);

    [LibraryImport("libc")]
    private static partial nint write(int fd, byte* source, nuint bytes);
}
