use kiosk_sim::LinkSim;
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

/// A server that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut back = stream.try_clone().unwrap();
                drop(std::io::copy(&mut stream, &mut back));
            });
        }
    });
    address
}

fn ask(stream: &mut TcpStream) -> std::io::Result<[u8; 4]> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"ping")?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_network_that_is_cut_ends_connections_and_refuses_new_ones_until_it_is_back() {
    let link = LinkSim::start(([127, 0, 0, 1], 0).into(), echo()).unwrap();
    let mut before = TcpStream::connect(link.address()).unwrap();
    assert_eq!(ask(&mut before).unwrap(), *b"ping");
    link.obey("down").unwrap();
    assert!(ask(&mut before).is_err());
    assert_eq!(TcpStream::connect(link.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    link.obey("up").unwrap();
    link.obey("up").unwrap();
    assert_eq!(ask(&mut TcpStream::connect(link.address()).unwrap()).unwrap(), *b"ping");
    assert!(link.obey("sideways").is_err());
}

#[test]
fn a_backend_that_is_not_there_closes_the_connection() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let link = LinkSim::start(([127, 0, 0, 1], 0).into(), nobody).unwrap();
    assert!(ask(&mut TcpStream::connect(link.address()).unwrap()).is_err());
}
