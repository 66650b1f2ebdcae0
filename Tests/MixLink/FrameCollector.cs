using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using FastExit.Crypto.EndToEnd;
using FastExit.MixLink;

namespace FastExit.Tests.MixLink;

/// <summary>One packet as a next hop received it.</summary>
internal sealed record ReceivedFrame(FrameHeader Header, byte[] Packet);

/// <summary>A next hop: listens on loopback and cuts what it receives into frames, on threads of its own.</summary>
internal sealed class FrameCollector : IDisposable
{
    private readonly TcpListener _listener;
    private readonly ConcurrentBag<TcpClient> _clients = [];
    private volatile bool _disposed;

    public FrameCollector(int port = 0, int? receiveBufferBytes = null)
    {
        _listener = new TcpListener(IPAddress.Loopback, port);
        if (receiveBufferBytes is { } bytes)
            _listener.Server.ReceiveBufferSize = bytes;
        _listener.Start();
        EndPoint = (IPEndPoint)_listener.LocalEndpoint;
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public IPEndPoint EndPoint { get; }

    public ConcurrentQueue<ReceivedFrame> Frames { get; } = new();

    public int Accepted { get; private set; }

    public int Ended { get; private set; }

    /// <summary>Closes a connection after this many frames; 0: never.</summary>
    public int CloseAfter { get; set; }

    /// <summary>Pause between two reads.</summary>
    public TimeSpan Pause { get; set; }

    public bool WaitFor(int frames, Action pump, double seconds = 10)
    {
        DateTime deadline = DateTime.UtcNow.AddSeconds(seconds);
        while (Frames.Count < frames && DateTime.UtcNow < deadline)
            pump();
        return Frames.Count >= frames;
    }

    public void Dispose()
    {
        _disposed = true;
        _listener.Dispose();
        foreach (TcpClient client in _clients)
            client.Dispose();
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                TcpClient client = _listener.AcceptTcpClient();
                _clients.Add(client);
                Accepted++;
                new Thread(() => Read(client)) { IsBackground = true }.Start();
            }
        }
        catch (Exception e) when (_disposed && e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
        }
    }

    private void Read(TcpClient client)
    {
        try
        {
            using NetworkStream stream = client.GetStream();
            byte[] head = new byte[FrameHeader.MaximumBytes];
            for (int taken = 1; ; taken++)
            {
                int have = 0;
                FrameHeader header;
                do
                    stream.ReadExactly(head, have++, 1);
                while (FrameHeader.TryRead(head.AsSpan(0, have), out header) == FrameStatus.Incomplete);
                byte[] packet = new byte[PacketSizes.PacketBytes(header.Size)];
                stream.ReadExactly(packet);
                Frames.Enqueue(new ReceivedFrame(header, packet));
                if (taken == CloseAfter)
                    return;
                if (Pause > TimeSpan.Zero)
                    Thread.Sleep(Pause);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            Ended++;
        }
        finally
        {
            client.Dispose();
        }
    }
}
