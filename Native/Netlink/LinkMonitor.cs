using FastExit.Native.Sockets;
using Tmds.Linux;
using static Tmds.Linux.LibC;

namespace FastExit.Native.Netlink;

/// <summary>What happened to a device.</summary>
/// <param name="Link">As it is now, or as it was.</param>
/// <param name="Deleted">It is gone.</param>
public sealed record LinkChange(Link Link, bool Deleted);

/// <summary>
/// Hears of every change of a device in one network namespace (RTNLGRP_LINK): that somebody deleted a TUN or set it
/// down. <see cref="Fd"/> is readable when there is something to read. Needs no privilege. Not for the packet path.
/// </summary>
public sealed unsafe class LinkMonitor : IDisposable
{
    private readonly NetlinkSocket _socket = new(RouteMessages.Protocol, "link changes");
    private readonly Queue<LinkChange> _changes = new();

    public LinkMonitor() => _socket.Join(RouteMessages.LinkGroup);

    public int Fd => _socket.Fd;

    /// <summary>How often the kernel had more to say than the socket could hold: look at the devices anew.</summary>
    public long Overflows { get; private set; }

    /// <summary>The next change, in order; false when none came within the time.</summary>
    public bool TryNext(TimeSpan timeout, out LinkChange? change)
    {
        if (_changes.Count == 0)
        {
            var entry = new pollfd { fd = _socket.Fd, events = POLLIN };
            _ = poll(&entry, 1, (int)Math.Clamp(timeout.TotalMilliseconds, 0, int.MaxValue));
            ReadWaiting();
        }

        return _changes.TryDequeue(out change);
    }

    public void Dispose() => _socket.Dispose();

    private void ReadWaiting()
    {
        int bytes;
        while ((bytes = _socket.TryReceiveNow(out ReadOnlySpan<byte> datagram)) > 0 || bytes == -Errno.ENOBUFS)
        {
            if (bytes < 0)
                Overflows++;
            while (NetlinkMessage.TryRead(ref datagram, out NetlinkMessage message))
            {
                if (RouteMessages.ReadLink(message) is Link link)
                    _changes.Enqueue(new LinkChange(link, message.Type == RouteMessages.DeleteLink));
            }
        }
    }
}
