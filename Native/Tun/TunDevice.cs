using System.Text;
using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using static Tmds.Linux.LibC;

namespace FastExit.Native.Tun;

/// <summary>
/// A TUN device made by this process (<c>IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE</c>): what the host
/// routes into it is read from its queues, what is written to them the host receives. Not persistent: the kernel
/// removes it, with its addresses and routes, when the last queue closes, also when the process is killed. A program
/// that is just being started elsewhere in the process holds the queues until its exec, so that right after
/// <see cref="Dispose"/> the name may for a moment still be taken. It comes
/// up without address and down: <see cref="Netlink.RouteNetlink"/> sets both. It lies in the network namespace of the
/// thread that opens it.
/// </summary>
public sealed unsafe class TunDevice : IDisposable
{
    public const int MaximumQueues = 256;

    private const string Path = "/dev/net/tun";
    private const string CapabilityMend =
        "It needs CAP_NET_ADMIN: `setcap cap_net_admin+ep` on the program, or AmbientCapabilities=CAP_NET_ADMIN in"
        + " the service unit.";

    private static readonly TunOffload[] s_fallbacks =
    [
        TunOffload.All,
        TunOffload.Tcp,
        TunOffload.Tcp & ~TunOffload.TcpEcn,
        TunOffload.Checksum,
    ];

    private readonly TunQueue[] queues;

    private TunDevice(string name, TunQueue[] queues)
    {
        Name = name;
        this.queues = queues;
        InterfaceIndex = (int)TunCalls.InterfaceIndex(name);
    }

    /// <summary>As the kernel chose it.</summary>
    public string Name { get; }

    public int InterfaceIndex { get; }

    /// <summary>What the kernel granted.</summary>
    public TunOffload Offload { get; private set; }

    public IReadOnlyList<TunQueue> Queues => queues;

    /// <exception cref="NativeException">EPERM, ENOENT, EBUSY …, each with its mend.</exception>
    public static TunDevice Open(TunOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.Queues);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Queues, MaximumQueues);
        if (Encoding.UTF8.GetByteCount(options.Name) is 0 or >= InterfaceRequest.NameBytes)
            throw new ArgumentException("A device name has 1 to 15 bytes", nameof(options));

        var queues = new TunQueue[options.Queues];
        string name = options.Name;
        try
        {
            for (int index = 0; index < queues.Length; index++)
            {
                queues[index] = new TunQueue(OpenFile(name), index);
                // The first must not join a device of somebody else; the others join the one just made.
                name = Attach(queues[index].Fd, name, index == 0 ? TunCalls.Exclusive : (ushort)0);
            }

            var device = new TunDevice(name, queues);
            device.SetOffload(options.Offload);
            return device;
        }
        catch
        {
            Close(queues);
            throw;
        }
    }

    /// <summary>Asks for offloads, and for fewer while the kernel refuses: first without UDP, then without ECN, then
    /// checksums alone.</summary>
    /// <returns>What was granted.</returns>
    public TunOffload SetOffload(TunOffload wanted)
    {
        // A device-wide setting, whichever queue carries it.
        int fd = queues[0].Fd;
        foreach (TunOffload fallback in s_fallbacks)
        {
            TunOffload asked = wanted & fallback;
            if (TunCalls.Control(fd, TunCalls.SetOffload, (void*)(uint)asked) == 0)
                return Offload = asked;
        }

        int refused = TunCalls.Control(fd, TunCalls.SetOffload, null);
        if (refused < 0)
            throw new NativeException($"setting the offloads of {Name}", -refused, null);
        return Offload = TunOffload.None;
    }

    public void Dispose() => Close(queues);

    private static int OpenFile(string name)
    {
        fixed (byte* path = "/dev/net/tun\0"u8)
        {
            int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
            if (fd >= 0)
                return fd;
        }

        int error = errno;
        throw new NativeException($"opening {Path} for device {name}", error, error switch
        {
            Errno.ENOENT or Errno.ENODEV or Errno.ENXIO =>
                $"The host has no TUN driver: `modprobe tun`; in a container pass the device (`--device {Path}`).",
            Errno.EPERM or Errno.EACCES =>
                $"Let the service's user open {Path} (mode 0666 is usual), and in a container allow the device.",
            _ => ResourceMend.For(error),
        });
    }

    private static string Attach(int fd, string name, ushort exclusive)
    {
        InterfaceRequest request = default;
        Encoding.UTF8.GetBytes(name, new Span<byte>(request.Name, InterfaceRequest.NameBytes - 1));
        request.Flags = (ushort)(TunCalls.Tun | TunCalls.NoPacketInformation | TunCalls.VirtioHeader
            | TunCalls.MultiQueue | exclusive);
        int result = TunCalls.Control(fd, TunCalls.SetInterface, &request);
        if (result < 0)
        {
            throw new NativeException($"creating TUN device {name}", -result, -result switch
            {
                Errno.EPERM => CapabilityMend,
                Errno.EBUSY => $"The name is in use (`ip link show {name}`): choose another, or one with %d.",
                Errno.EINVAL => "The name holds a character or a format that no device may have.",
                _ => ResourceMend.For(-result),
            });
        }

        int headerBytes = VirtioNetHeader.Bytes;
        int one = 1;
        result = TunCalls.Control(fd, TunCalls.SetHeaderBytes, &headerBytes);
        if (result == 0)
            result = TunCalls.Control(fd, TunCalls.SetLittleEndian, &one);
        if (result < 0)
            throw new NativeException($"setting the packet header of {name}", -result, null);
        var given = new ReadOnlySpan<byte>(request.Name, InterfaceRequest.NameBytes);
        return Encoding.UTF8.GetString(given[..given.IndexOf((byte)0)]);
    }

    private static void Close(TunQueue?[] queues)
    {
        foreach (TunQueue? queue in queues)
            queue?.Close();
    }
}
