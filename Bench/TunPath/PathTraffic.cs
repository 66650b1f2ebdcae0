using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using FastExit.Native.Netlink;
using FastExit.Native.Threads;
using Microsoft.Win32.SafeHandles;

namespace FastExit.Bench.TunPath;

/// <summary>What arrived at the right host in a measured time, and what the forwarding thread did for it.</summary>
internal readonly record struct PathFigures(double Seconds, double Units, PathSample Done)
{
    public double Rate => Units / Seconds;
}

/// <summary>Traffic between the kernels of the two hosts, from the left to the right; senders and receivers share one core.</summary>
internal static partial class PathTraffic
{
    private const int ChunkBytes = 256 << 10;
    private const int DatagramsPerCall = 64;

    // MSG_TRUNC: tcp(7).
    private const int DropData = 0x20;
    private static readonly TimeSpan s_start = TimeSpan.FromMilliseconds(400);

    /// <summary>
    /// TCP connections; units are bytes that the receivers were given. The data are pages of a file in memory, and the receivers let the
    /// kernel drop them: two copies less for the hosts, which share a core, so that they do not slow down what is measured.
    /// </summary>
    public static PathFigures Streams(ForwardingPath path, TimeSpan duration, int core, int connections)
    {
        PathNetwork network = path.Network;
        using Socket listener = network.Right.Run(() => Open(SocketType.Stream, ProtocolType.Tcp, PathNetwork.RightHost));
        listener.Listen(connections);
        using var data = new SafeFileHandle(memfd_create("data", 0), ownsHandle: true);
        RandomAccess.Write(data, new byte[ChunkBytes], 0);
        long received = 0;
        var sockets = new List<Socket>();
        var threads = new List<Thread>();
        for (int i = 0; i < connections; i++)
        {
            Socket sender = network.Left.Run(() => Open(SocketType.Stream, ProtocolType.Tcp, PathNetwork.LeftHost));
            sender.Connect(listener.LocalEndPoint!);
            Socket receiver = listener.Accept();
            sockets.AddRange(sender, receiver);

            // Waking a sleeping receiver is dear on a virtual machine and not the point here.
            receiver.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReceiveLowWater, ChunkBytes);
            threads.Add(Begin(core, () => Send((int)sender.Handle, (int)data.DangerousGetHandle())));
            threads.Add(Begin(core, () => Receive((int)receiver.Handle, ref received)));
        }

        PathFigures figures = Measure(path, duration, () => Interlocked.Read(ref received));
        sockets.ForEach(socket => socket.Shutdown(SocketShutdown.Both));
        threads.ForEach(thread => thread.Join());
        sockets.ForEach(socket => socket.Dispose());
        return figures;
    }

    /// <summary>Single UDP datagrams as fast as the host sends them; units are datagrams that reached the receiver's socket.</summary>
    public static PathFigures Datagrams(ForwardingPath path, TimeSpan duration, int core, int bytes)
    {
        PathNetwork network = path.Network;

        // Nobody reads: the host has done all its work for a datagram when it drops it at the socket.
        using Socket receiver = network.Right.Run(() => Open(SocketType.Dgram, ProtocolType.Udp, PathNetwork.RightHost));
        using Socket sender = network.Left.Run(() => Open(SocketType.Dgram, ProtocolType.Udp, PathNetwork.LeftHost));
        sender.Connect(receiver.LocalEndPoint!);
        bool stop = false;
        Thread sending = Begin(core, () => SendAll(sender, bytes, ref stop));
        PathFigures figures = Measure(path, duration, () => Arrived(network.Right));
        Volatile.Write(ref stop, true);
        sending.Join();
        return figures;
    }

    private static void Send(int socket, int data)
    {
        long offset;
        do
        {
            offset = 0;
        }
        while (sendfile(socket, data, ref offset, ChunkBytes) > 0);
    }

    private static void Receive(int socket, ref long received)
    {
        while (recv(socket, 0, ChunkBytes, DropData) is > 0 and nint bytes)
            Interlocked.Add(ref received, bytes);
    }

    private static PathFigures Measure(ForwardingPath path, TimeSpan duration, Func<long> arrived)
    {
        Thread.Sleep(s_start);
        PathSample before = path.Sample();
        long unitsBefore = arrived();
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        Thread.Sleep(duration);
        PathSample after = path.Sample();
        long units = arrived() - unitsBefore;
        double seconds = System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds;
        return new PathFigures(seconds, units, new PathSample(
            after.Packets - before.Packets,
            after.Dropped - before.Dropped,
            after.SystemCalls - before.SystemCalls,
            after.CpuSeconds - before.CpuSeconds,
            after.AllocatedBytes - before.AllocatedBytes));
    }

    private static Socket Open(SocketType type, ProtocolType protocol, IPAddress address)
    {
        var socket = new Socket(AddressFamily.InterNetwork, type, protocol);
        socket.Bind(new IPEndPoint(address, 0));
        return socket;
    }

    private static Thread Begin(int core, Action work)
    {
        var thread = new Thread(() =>
        {
            CpuAffinity.PinCurrentThread(core);
            work();
        })
        { IsBackground = true };
        thread.Start();
        return thread;
    }

    private static unsafe void SendAll(Socket socket, int bytes, ref bool stop)
    {
        byte* payload = stackalloc byte[bytes];
        new Span<byte>(payload, bytes).Clear();
        var part = new IoVector { Base = payload, Bytes = (nuint)bytes };
        MultipleMessage* messages = stackalloc MultipleMessage[DatagramsPerCall];
        new Span<MultipleMessage>(messages, DatagramsPerCall).Clear();
        for (int i = 0; i < DatagramsPerCall; i++)
            messages[i] = new MultipleMessage { Parts = &part, PartCount = 1 };
        int fd = (int)socket.Handle;
        while (!Volatile.Read(ref stop))
            _ = sendmmsg(fd, messages, DatagramsPerCall, 0);
    }

    /// <summary>Datagrams that the host took in, those included that found their socket full.</summary>
    private static long Arrived(NetworkNamespace space) => space.Run(() =>
    {
        string[][] lines = [.. File.ReadLines("/proc/thread-self/net/snmp")
            .Where(line => line.StartsWith("Udp:", StringComparison.Ordinal))
            .Select(line => line.Split(' '))];
        long Value(string field) => long.Parse(lines[1][Array.IndexOf(lines[0], field)], CultureInfo.InvariantCulture);
        return Value("InDatagrams") + Value("RcvbufErrors");
    });

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc")]
    private static partial nint sendfile(int to, int from, ref long offset, nuint bytes);

    [LibraryImport("libc")]
    private static partial nint recv(int fd, nint target, nuint bytes, int flags);

    [LibraryImport("libc")]
    private static unsafe partial int sendmmsg(int fd, MultipleMessage* messages, uint count, int flags);

    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct IoVector
    {
        public void* Base;
        public nuint Bytes;
    }

    /// <summary><c>struct mmsghdr</c> on 64-bit hosts.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 64)]
    private unsafe struct MultipleMessage
    {
        public void* Name;
        public uint NameBytes;
        public IoVector* Parts;
        public nuint PartCount;
        public void* Control;
        public nuint ControlBytes;
        public int Flags;
        public uint Sent;
    }
}
