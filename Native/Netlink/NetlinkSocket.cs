using FastExit.Native.Memory;
using FastExit.Native.Sockets;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Native.Netlink;

/// <summary>Takes one message of a dump.</summary>
internal delegate void NetlinkVisitor(NetlinkMessage message);

/// <summary>
/// A netlink socket of one family (<c>netlink(7)</c>) with extended acknowledgements, blocking, for one thread at a
/// time. It speaks for the network namespace of the thread that opened it.
/// </summary>
internal sealed unsafe class NetlinkSocket : IDisposable
{
    public const int BufferBytes = 1 << 16;

    private const int Family = 16;
    private const int OptionLevel = 270;
    private const int AddMembership = 1;
    private const int CappedAcknowledgement = 10;
    private const int ExtendedAcknowledgement = 11;
    private const int AddressBytes = 12;

    private readonly byte[] _buffer = new byte[BufferBytes];
    private int _fd;
    private uint _sequence = (uint)Environment.TickCount;

    public NetlinkSocket(int protocol, string name)
    {
        _fd = socket(Family, SOCK_RAW | SOCK_CLOEXEC, protocol);
        if (_fd < 0)
        {
            int error = errno;
            throw new NativeException($"opening a netlink socket for {name}", error, error == Errno.EPROTONOSUPPORT
                ? "The kernel was built without it, or its module cannot be loaded."
                : ResourceMend.For(error));
        }

        byte* address = stackalloc byte[AddressBytes];
        new Span<byte>(address, AddressBytes).Clear();
        *(ushort*)address = Family;
        // Without it a killed peer would leave a blocking receive for ever; the kernel answers at once or never.
        var patience = stackalloc long[2] { 5, 0 };
        if (bind(_fd, (sockaddr*)address, AddressBytes) < 0
            || setsockopt(_fd, SOL_SOCKET, SO_RCVTIMEO, patience, 2 * sizeof(long)) < 0)
        {
            int error = errno;
            Dispose();
            throw new NativeException($"binding a netlink socket for {name}", error, ResourceMend.For(error));
        }

        // Both only better the error text.
        _ = TrySetOption(ExtendedAcknowledgement, 1);
        _ = TrySetOption(CappedAcknowledgement, 1);
    }

    public int Fd => _fd;

    public uint NextSequence() => ++_sequence;

    public void Join(int group)
    {
        if (!TrySetOption(AddMembership, group))
            throw new NativeException($"joining netlink group {group}", errno, null);
    }

    /// <summary>Sends one message and waits for its acknowledgement.</summary>
    /// <exception cref="NativeException">The kernel's errno, with its own words where it has any.</exception>
    public void Request(ReadOnlySpan<byte> message, string operation)
    {
        int error = TryRequest(message, operation, out string? text);
        if (error != 0)
            throw Failure(operation, error, text);
    }

    /// <summary>0, or the positive errno the kernel answered with.</summary>
    public int TryRequest(ReadOnlySpan<byte> message, string operation, out string? text)
    {
        uint sequence = _sequence;
        Send(message, operation);
        while (true)
        {
            ReadOnlySpan<byte> datagram = Receive(operation);
            while (NetlinkMessage.TryRead(ref datagram, out NetlinkMessage answer))
            {
                if (answer.Sequence == sequence && answer.TryReadError(out int error, out text))
                    return error;
            }
        }
    }

    /// <summary>Sends a dump request and hands out its messages until it is done.</summary>
    public void Dump(ReadOnlySpan<byte> message, string operation, NetlinkVisitor visit)
    {
        uint sequence = _sequence;
        Send(message, operation);
        while (true)
        {
            ReadOnlySpan<byte> datagram = Receive(operation);
            while (NetlinkMessage.TryRead(ref datagram, out NetlinkMessage answer))
            {
                if (answer.Sequence != sequence)
                    continue;
                if (answer.Type == NetlinkMessage.DoneType)
                    return;
                if (answer.TryReadError(out int error, out string? text))
                {
                    if (error != 0)
                        throw Failure(operation, error, text);
                    return;
                }

                visit(answer);
            }
        }
    }

    public void Send(ReadOnlySpan<byte> message, string operation)
    {
        fixed (byte* source = message)
        {
            if (send(_fd, source, (size_t)(ulong)message.Length, 0) < 0)
            {
                int error = errno;
                throw Failure(operation, error, null);
            }
        }
    }

    /// <summary>The next datagram, valid until the next call.</summary>
    public ReadOnlySpan<byte> Receive(string operation)
    {
        while (true)
        {
            int bytes = TryReceive();
            if (bytes >= 0)
                return _buffer.AsSpan(0, bytes);
            if (bytes != -Errno.EINTR)
                throw Failure(operation, -bytes, null);
        }
    }

    /// <summary>Reads what waits without blocking; -errno when nothing does.</summary>
    public int TryReceiveNow(out ReadOnlySpan<byte> datagram)
    {
        int bytes = TryReceive(MSG_DONTWAIT);
        datagram = _buffer.AsSpan(0, Math.Max(bytes, 0));
        return bytes;
    }

    public static NativeException Failure(string operation, int error, string? text)
    {
        string said = text is null ? operation : $"{operation} (the kernel says: {text})";
        return new NativeException(said, error, error switch
        {
            Errno.EPERM or Errno.EACCES =>
                "It needs CAP_NET_ADMIN: `setcap cap_net_admin+ep` on the program, or"
                + " AmbientCapabilities=CAP_NET_ADMIN in the service unit.",
            Errno.ENODEV => "There is no such device: `ip link` lists them.",
            Errno.EAGAIN => "The kernel did not answer within 5 seconds.",
            Errno.EEXIST => "It is there already.",
            _ => ResourceMend.For(error),
        });
    }

    public void Dispose()
    {
        int closing = Interlocked.Exchange(ref _fd, -1);
        if (closing >= 0)
            _ = close(closing);
    }

    private int TryReceive(int flags = 0)
    {
        fixed (byte* target = _buffer)
        {
            nint bytes = (nint)recv(_fd, target, BufferBytes, flags);
            return bytes < 0 ? -errno : (int)bytes;
        }
    }

    private bool TrySetOption(int option, int value) =>
        setsockopt(_fd, OptionLevel, option, &value, sizeof(int)) == 0;
}
